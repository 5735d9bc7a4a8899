package library

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// Frames are a connection whose other side sends messages that say in a header
// how long they are. A library makes room for a message as soon as it has the
// header, so a header is looked at before the library has it.
type Frames struct {
	net.Conn
	mu   sync.Mutex // of what follows: pgx reads in two goroutines while it closes
	r    *bufio.Reader
	head int // bytes of a header
	// look returns how many bytes follow a header, or why the message is
	// refused. With whole it is called once more, with all of the message.
	look  func(message []byte) (length int, whole bool, err error)
	ready []byte // to be read before rest
	rest  int    // bytes of the message that come after ready
}

// NewFrames returns the messages on w. early is what has been read of them.
func NewFrames(w *Conn, head int, look func([]byte) (int, bool, error), early ...byte) *Frames {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(early), w))
	return &Frames{Conn: w, r: r, head: head, look: look}
}

// Read reads what has been looked at.
func (f *Frames) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready)+f.rest == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.ready) > 0 {
		n := copy(b, f.ready)
		f.ready = f.ready[n:]
		return n, nil
	}
	n, err := f.r.Read(b[:min(len(b), f.rest)])
	f.rest -= n
	return n, err
}

// TooLong refuses a message.
func TooLong(length int) error {
	return failure.Because(failure.Protocol, "a message of %d bytes is %w", length, errTooMuch)
}

// next looks at the header of a message. f is locked.
func (f *Frames) next() error {
	message := make([]byte, f.head)
	if _, err := io.ReadFull(f.r, message); err != nil {
		return err
	}
	length, whole, err := f.look(message)
	if err == nil && whole {
		message = append(message, make([]byte, length)...)
		if _, err := io.ReadFull(f.r, message[f.head:]); err != nil {
			return err
		}
		length = 0
		_, _, err = f.look(message)
	}
	if err != nil {
		return f.Conn.(*Conn).Failed(err)
	}
	f.ready, f.rest = message, length
	return nil
}

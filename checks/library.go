package checks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// maxReply is how many bytes a client library may read from a real server: its
// own memory for them stays below 2 MiB.
const maxReply = 512 << 10

// errTooMuch is what a library reads beyond the bound of its wire.
var errTooMuch = failure.Because(Protocol, "more than a check reads")

// A wire is a connection as a client library has it: it ends with the check,
// gives no more bytes than it is allowed to, and remembers the first thing that
// went wrong with it, which libraries hide in words of their own.
type wire struct {
	net.Conn
	mu     sync.Mutex
	left   int
	err    error
	closed bool
}

// lend connects to the real server, by begin if the connection is more than TCP,
// and has use speak with it by means of a library, which may read most bytes. A
// panic of the library fails the check.
func (t *Target) lend(ctx context.Context, most int, begin func(*dial.Link) (net.Conn, error), use func(*wire) error) (err error) {
	l, err := t.server().Dial(ctx, "tcp", t.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	conn := net.Conn(l)
	if begin != nil {
		if conn, err = begin(l); err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // says goodbye
	}
	defer t.caught(&err)
	return use(&wire{Conn: conn, left: most})
}

// caught makes a panic the end of one check. It is deferred.
func (t *Target) caught(err *error) {
	if p := recover(); p != nil {
		*err = failure.Because(Protocol, "the answer breaks the client library: %s", t.plain(p))
	}
}

// Read reads within the bound.
func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	left := w.left
	w.mu.Unlock()
	if left == 0 {
		return 0, w.failed(errTooMuch)
	}
	n, err := w.Conn.Read(b[:min(len(b), left)])
	w.mu.Lock()
	w.left -= n
	w.mu.Unlock()
	return n, w.failed(err)
}

// Write remembers what keeps it from writing.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	return n, w.failed(err)
}

// Close is the library's end of the connection. What it meets afterwards is no
// matter.
func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	return w.Conn.Close()
}

// failed remembers the first error, and returns this one.
func (w *wire) failed(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && !w.closed {
		w.err = err
	}
	return err
}

// why returns why a library has failed with err: for what happened to the
// connection, or else because it did not understand the real server.
func (w *wire) why(t *Target, err error, when string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return &failure.Cause{Err: w.err, When: when}
	}
	err = innermost(err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return failure.Because(Protocol, "a message is shorter than it says") // the connection goes on
	}
	return failure.Because(Protocol, "%s", t.plain(err))
}

// innermost takes off what a library says around the cause: whom it wanted to
// reach as whom.
func innermost(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(err) {
		err = inner
		if several, ok := errors.AsType[interface {
			error
			Unwrap() []error
		}](err); ok && len(several.Unwrap()) > 0 {
			err = several.Unwrap()[0]
		}
	}
	return err
}

// overrun reports whether the library wanted more than it was allowed to read.
func (w *wire) overrun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(w.err, errTooMuch)
}

// plain is what a library or a real server says. Whatever password has come back
// is left out.
func (t *Target) plain(said any) string { return quote.Plain(said, t.Passwd, t.Secret) }

// frames is a connection whose other side sends messages that say in a header
// how long they are. A library makes room for a message as soon as it has the
// header, so a header is looked at before the library has it.
type frames struct {
	net.Conn
	r    *bufio.Reader
	head int // bytes of a header
	// look returns how many bytes follow a header, or why the message is
	// refused. With whole it is called once more, with all of the message.
	look  func(message []byte) (length int, whole bool, err error)
	ready []byte // to be read before rest
	rest  int    // bytes of the message that come after ready
}

// newFrames returns the messages on w. early is what has been read of them.
func newFrames(w *wire, head int, look func([]byte) (int, bool, error), early ...byte) *frames {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(early), w))
	return &frames{Conn: w, r: r, head: head, look: look}
}

// Read reads what has been looked at.
func (f *frames) Read(b []byte) (int, error) {
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

// tooLong refuses a message.
func tooLong(length int) error {
	return failure.Because(Protocol, "a message of %d bytes is %w", length, errTooMuch)
}

func (f *frames) next() error {
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
		return f.Conn.(*wire).failed(err)
	}
	f.ready, f.rest = message, length
	return nil
}

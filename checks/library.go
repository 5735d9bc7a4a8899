package checks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"unicode"
)

// maxReply is how many bytes a client library may read from a real server.
// What the library makes of them stays below 2 MiB.
const maxReply = 512 << 10

// errTooMuch is what a library reads beyond the bound of its wire.
var errTooMuch = because(Protocol, "more than a check reads")

// A wire is a connection as a client library has it: it ends with the check,
// gives no more bytes than it is allowed to, and remembers the first thing that
// went wrong with it, which libraries hide in words of their own.
type wire struct {
	net.Conn
	mu   sync.Mutex
	left int
	err  error
}

// lend connects to the real server and has use speak with it by means of a
// library, which may read most bytes. A panic of the library fails the check.
func (t *Target) lend(ctx context.Context, most int, use func(*wire) error) (err error) {
	l, err := t.dial(ctx, "tcp", t.Addr)
	if err != nil {
		return err
	}
	defer l.Close()
	defer func() {
		if p := recover(); p != nil {
			err = because(Protocol, "the answer breaks the client library: %s", t.plain(p))
		}
	}()
	return use(&wire{Conn: l, left: most})
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

// limit has no more than most bytes be read from now on.
func (w *wire) limit(most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = most
}

// secure begins TLS on the wire.
func (w *wire) secure(config *tls.Config) (net.Conn, error) {
	conn := tls.Client(w, config)
	if err := conn.Handshake(); err != nil { // ends with the wire
		return nil, &failure{err: err, when: "in the TLS handshake", kind: TLS}
	}
	return conn, nil
}

// failed remembers the first error, and returns this one.
func (w *wire) failed(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
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
		return &failure{err: w.err, when: when}
	}
	return because(Protocol, "%s", t.plain(innermost(err)))
}

// innermost takes off what a library says around the cause: whom it wanted to
// reach as whom.
func innermost(err error) error {
	for {
		var inner error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if list := e.Unwrap(); len(list) > 0 {
				inner = list[0]
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

// overrun reports whether the library wanted more than it was allowed to read.
func (w *wire) overrun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(w.err, errTooMuch)
}

// plain writes what a library or a real server says in one printable line, of
// maxReason bytes at most. Whatever password has come back is left out.
func (t *Target) plain(said any) string {
	text, ok := said.(string)
	if err, is := said.(error); is {
		text, ok = err.Error(), true
	}
	if !ok {
		text = "unknown"
	}
	for _, secret := range []string{t.Passwd, t.Secret} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, text)
	return short(strings.Join(strings.Fields(text), " "))
}

// frames is a connection whose other side sends messages that say in a header
// how long they are. A library makes room for a message as soon as it has the
// header, so a header is looked at before the library has it.
type frames struct {
	net.Conn
	wire *wire // below Conn
	r    *bufio.Reader
	head int // bytes of a header
	// look returns how many bytes follow a header, or why the message is
	// refused. With whole it is called once more, with all of the message.
	look  func(message []byte) (length int, whole bool, err error)
	ready []byte // to be read before rest
	rest  int    // bytes of the message that come after ready
}

// newFrames returns the messages on conn, which is w or goes over it. early is
// what has been read of them.
func newFrames(w *wire, conn net.Conn, head int, look func([]byte) (int, bool, error), early ...byte) *frames {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(early), conn))
	return &frames{Conn: conn, wire: w, r: r, head: head, look: look}
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
	return because(Protocol, "a message of %d bytes is %w", length, errTooMuch)
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
		return f.wire.failed(err)
	}
	f.ready, f.rest = message, length
	return nil
}

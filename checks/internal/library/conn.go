// Package library has a client library speak with a real server, by a connection
// that bounds what the library can be made to do.
package library

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// MaxReply is how many bytes a client library may read from a real server: its
// own memory for them stays below 2 MiB.
const MaxReply = 512 << 10

// MaxLogin bounds a message before the login is through, in bytes, when it may be
// a key to compute with.
const MaxLogin = 16 << 10

// UntilLogin says that a check was logging in.
const UntilLogin = "while logging in"

// errTooMuch is what a library reads beyond the bound of its connection.
var errTooMuch = failure.Because(failure.Protocol, "more than a check reads")

// A Conn is a connection as a client library has it: it ends with the check,
// gives no more bytes than it is allowed to, and remembers the first thing that
// went wrong with it, which libraries hide in words of their own.
type Conn struct {
	net.Conn
	server *dial.Server
	mu     sync.Mutex
	left   int
	err    error
	closed bool
}

// Connect connects to the real server, by begin if the connection is more than TCP,
// and has use speak with it by means of a library, which may read most bytes.
func Connect(ctx context.Context, server *dial.Server, most int, begin func(*dial.Link) (net.Conn, error), use func(*Conn) error) error {
	l, err := server.Dial(ctx, "tcp", server.Addr)
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
	return Use(conn, server, most, use)
}

// Use has use speak with the real server over conn by means of a library, which
// may read most bytes. A panic of the library fails the check.
func Use(conn net.Conn, server *dial.Server, most int, use func(*Conn) error) (err error) {
	w := &Conn{Conn: conn, server: server, left: most}
	defer func() {
		if p := recover(); p != nil {
			err = failure.Because(failure.Protocol, "the answer breaks the client library: %s", w.Plain(p))
		}
	}()
	return use(w)
}

// Plain returns what the library or the real server says as one printable line,
// without the secrets of the check.
func (w *Conn) Plain(said any) string { return w.server.Plain(said) }

// Read reads within the bound.
func (w *Conn) Read(b []byte) (int, error) {
	w.mu.Lock()
	left := w.left
	w.mu.Unlock()
	if left == 0 {
		return 0, w.Failed(errTooMuch)
	}
	n, err := w.Conn.Read(b[:min(len(b), left)])
	w.mu.Lock()
	w.left -= n
	w.mu.Unlock()
	return n, w.Failed(err)
}

// Write remembers what keeps it from writing.
func (w *Conn) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	return n, w.Failed(err)
}

// Close is the library's end of the connection. What it meets afterwards is no
// matter.
func (w *Conn) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	return w.Conn.Close()
}

// Failed remembers the first error, and returns this one.
func (w *Conn) Failed(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && !w.closed {
		w.err = err
	}
	return err
}

// Why returns why a library has failed with err: for what happened to the
// connection, or else because it did not understand the real server.
func (w *Conn) Why(err error, when string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return &failure.Cause{Err: w.err, When: when}
	}
	err = innermost(err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return failure.Because(failure.Protocol, "a message is shorter than it says") // the connection goes on
	}
	return failure.Because(failure.Protocol, "%s", w.Plain(err))
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

// Overrun reports whether the library wanted more than it was allowed to read.
func (w *Conn) Overrun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(w.err, errTooMuch)
}

package failure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// A Reason is why a check failed, with its kind and words settled.
type Reason struct {
	kind  Kind
	text  string
	cause error // nil if the check itself found out
}

func (r *Reason) Error() string { return r.text }

// Unwrap returns the cause, nil if the check itself found out.
func (r *Reason) Unwrap() error { return r.cause }

// Because returns the verdict of a check about what it was answered, a [*Reason].
func Because(kind Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Reason{kind: kind, text: err.Error(), cause: errors.Unwrap(err)}
}

// A Cause is an error of the operating system or a library, as opposed to a
// verdict about what a real server answered. [InWords] makes a Reason of it.
type Cause struct {
	Err error
	// When goes behind words that do not say what was going on: "while
	// connecting".
	When string
	// Where names the place before the words, if the check began at another one.
	Where string
	// Kind is the failure's if its error has no kind of its own.
	Kind Kind
}

func (c *Cause) Error() string { return c.Err.Error() }

// Unwrap returns Err.
func (c *Cause) Unwrap() error { return c.Err }

// InWords returns err as a [*Reason] if there is a [*Cause] in it, and else err:
// it is the one place where a Cause gets its words. The check began then and had
// until the deadline of ctx.
func InWords(ctx context.Context, began time.Time, err error) error {
	c, ok := errors.AsType[*Cause](err)
	if !ok {
		return err
	}
	text, cause := c.inWords(ctx, began)
	if c.Where != "" {
		text = c.Where + ": " + text
	}
	kind := KindOf(cause)
	if kind == Other {
		kind = cmp.Or(c.Kind, Other)
	}
	return &Reason{kind, text, cause}
}

func (c *Cause) inWords(ctx context.Context, began time.Time) (text string, cause error) {
	when := ""
	if c.When != "" {
		when = " " + c.When
	}
	switch cause := c.Err; {
	case errors.Is(ctx.Err(), context.Canceled):
		return "cancelled" + when, ctx.Err()
	case ctx.Err() != nil, errors.Is(cause, os.ErrDeadlineExceeded), errors.Is(cause, context.DeadlineExceeded):
		return "timed out after " + Allowed(ctx, began) + when, context.DeadlineExceeded
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF):
		return "connection closed" + when, cause
	case errors.Is(cause, unix.ECONNRESET), errors.Is(cause, unix.EPIPE):
		return "connection reset by peer" + when, cause
	default:
		return quote.Short(Bare(cause).Error()), cause
	}
}

// Allowed says how much time the check had, in steps of 10 ms: its beginning
// is a little later than its caller's.
func Allowed(ctx context.Context, began time.Time) string {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now()
	}
	return max(0, deadline.Sub(began)).Round(10 * time.Millisecond).String()
}

// Bare takes off what Go wraps around the system's error: "dial tcp
// 192.0.2.1:80: connect: connection refused" says everything twice.
func Bare(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return err
}

package checks

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// whileMatching says that a check spent its time on its pattern.
const whileMatching = "while matching the answer with the pattern"

// maxReason is how many bytes of a library's error are shown.
const maxReason = 200

// An Error is the result of a check that did not succeed.
type Error struct {
	Check  string // "connect", "http"
	Object string // the address, with or without port, or the program
	Kind   Kind   // why it failed, in one word fit for a label
	Err    error  // why it failed, in words fit for a status page
}

// Error names the check, its object and the cause.
func (e *Error) Error() string { return e.Check + " " + e.Object + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// attempt runs f as the check of object. Its error is an [*Error], or nil.
func attempt(ctx context.Context, check, object string, f func() error) error {
	began := time.Now()
	err := ctx.Err()
	if err == nil {
		err = f()
	} else {
		err = &failure{err: err}
	}
	if err == nil {
		return nil
	}
	return inOneError(ctx, began, check, object, err)
}

// inOneError returns the error of a check of object that began then.
func inOneError(ctx context.Context, began time.Time, check, object string, err error) *Error {
	err = inWords(ctx, began, err)
	return &Error{Check: check, Object: object, Kind: kindOf(err), Err: err}
}

// A failure is an error of the operating system or a library, as opposed to a
// verdict about what a real server answered.
type failure struct {
	err error
	// when goes behind words that do not say what was going on: "while
	// connecting".
	when string
	// where goes before the words if it is not where the check began.
	where string
	// kind is the failure's if its error has no kind of its own.
	kind Kind
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// inWords is the one place where failures get their words. Verdicts pass.
func inWords(ctx context.Context, began time.Time, err error) error {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return err
	}
	text, cause := f.inWords(ctx, began)
	if f.where != "" {
		text = f.where + ": " + text
	}
	kind := kindOf(cause)
	if kind == Other {
		kind = cmp.Or(f.kind, Other)
	}
	return &reason{kind, text, cause}
}

func (f *failure) inWords(ctx context.Context, began time.Time) (text string, cause error) {
	when := ""
	if f.when != "" {
		when = " " + f.when
	}
	switch cause := f.err; {
	case errors.Is(ctx.Err(), context.Canceled):
		return "cancelled" + when, ctx.Err()
	case ctx.Err() != nil, errors.Is(cause, os.ErrDeadlineExceeded), errors.Is(cause, context.DeadlineExceeded):
		return "timed out after " + allowed(ctx, began) + when, context.DeadlineExceeded
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF):
		return "connection closed" + when, cause
	case errors.Is(cause, unix.ECONNRESET), errors.Is(cause, unix.EPIPE):
		return "connection reset by peer" + when, cause
	default:
		return short(bare(cause).Error()), cause
	}
}

// short keeps what a server made a library say to a line.
func short(text string) string {
	if len(text) > maxReason {
		return text[:maxReason] + "..."
	}
	return text
}

// allowed says how much time the check had, in steps of 10 ms: its beginning
// is a little later than its caller's.
func allowed(ctx context.Context, began time.Time) string {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now()
	}
	return max(0, deadline.Sub(began)).Round(10 * time.Millisecond).String()
}

// bare takes off what Go wraps around the system's error: "dial tcp
// 192.0.2.1:80: connect: connection refused" says everything twice.
func bare(err error) error {
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

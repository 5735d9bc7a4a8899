package checks

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// whileMatching is when a check was whose time has gone into its pattern.
const whileMatching = "while matching the answer with the pattern"

// maxReason is how many bytes of a library's error are shown.
const maxReason = 200

// An Error is the result of a check that did not succeed.
type Error struct {
	Check  string // "connect", "http"
	Object string // what was asked: an address with or without port, a program
	Err    error  // why that is not well, in words fit for a status page
}

// Error says check, object and cause.
func (e *Error) Error() string { return e.Check + " " + e.Object + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Local reports whether a check could not be made for want of something on this
// host, descriptors, memory or local ports, so that it says nothing about the
// real server.
func Local(err error) bool {
	return slices.ContainsFunc(lacks, func(e unix.Errno) bool { return errors.Is(err, e) })
}

// lacks are those of socket(2), connect(2) and pipe(2) that are no answer of
// anybody.
var lacks = []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL}

// attempt runs f as the check of object and puts its error in words.
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
	return &Error{Check: check, Object: object, Err: inWords(ctx, began, err)}
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
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// A reason is a failure in words.
type reason struct {
	text  string
	cause error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.cause }

// inWords is the one place where failures get their words. Verdicts pass.
func inWords(ctx context.Context, began time.Time, err error) error {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return err
	}
	r := f.inWords(ctx, began)
	if f.where != "" {
		r.text = f.where + ": " + r.text
	}
	return r
}

func (f *failure) inWords(ctx context.Context, began time.Time) *reason {
	when := ""
	if f.when != "" {
		when = " " + f.when
	}
	switch cause := f.err; {
	case errors.Is(ctx.Err(), context.Canceled):
		return &reason{"cancelled" + when, ctx.Err()}
	case ctx.Err() != nil, errors.Is(cause, os.ErrDeadlineExceeded), errors.Is(cause, context.DeadlineExceeded):
		return &reason{"timed out after " + allowed(ctx, began) + when, context.DeadlineExceeded}
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF):
		return &reason{"connection closed" + when, cause}
	case errors.Is(cause, unix.ECONNRESET), errors.Is(cause, unix.EPIPE):
		return &reason{"connection reset by peer" + when, cause}
	default:
		return &reason{short(bare(cause).Error()), cause}
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

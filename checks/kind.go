package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A Kind is why a check failed, in one word of a fixed set: fit for a label.
type Kind string

// The kinds of failures.
const (
	Refused     Kind = "refused"     // the machine answers, nobody listens
	Timeout     Kind = "timeout"     // nothing came in time
	Unreachable Kind = "unreachable" // no route to the machine or its network
	Closed      Kind = "closed"      // the connection was reset or ended too early
	TLS         Kind = "tls"         // the TLS handshake failed
	Auth        Kind = "auth"        // user or password was not accepted
	Status      Kind = "status"      // the protocol's status was not the one wanted
	Protocol    Kind = "protocol"    // the answer is not well formed
	Mismatch    Kind = "mismatch"    // the answer was not the one wanted
	Command     Kind = "command"     // an external check ended with an error or did not start
	Resource    Kind = "resource"    // this host lacked descriptors, memory or local ports
	Other       Kind = "other"       // everything else
)

// KindOf returns why a check failed: the Kind of the [*Error] in err or, if
// there is none, that of the operating system's error. Of nil it is "".
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return kindOf(err)
}

// Local reports whether a check could not be made because this host lacked
// descriptors, memory or local ports, so that it says nothing about the real
// server.
func Local(err error) bool { return KindOf(err) == Resource }

// A reason is a cause whose kind and words are settled.
type reason struct {
	kind  Kind
	text  string
	cause error // nil if the check itself found out
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.cause }

// because returns the verdict of a check about what it was answered.
func because(kind Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &reason{kind: kind, text: err.Error(), cause: errors.Unwrap(err)}
}

// kindOf returns the kind of a cause: the one that it was given, or the one
// that its error of the operating system has.
func kindOf(err error) Kind {
	if r, ok := errors.AsType[*reason](err); ok {
		return r.kind
	}
	for _, k := range systemErrors {
		if slices.ContainsFunc(k.errs, func(e error) bool { return errors.Is(err, e) }) {
			return k.kind
		}
	}
	return Other
}

// systemErrors are the kinds of the system's and the libraries' errors. Those
// of Resource are what socket(2), connect(2), pipe(2) and fork(2) say before
// anybody was asked.
var systemErrors = []struct {
	kind Kind
	errs []error
}{
	{Resource, []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL}},
	{Timeout, []error{os.ErrDeadlineExceeded, context.DeadlineExceeded, unix.ETIMEDOUT}},
	{Refused, []error{unix.ECONNREFUSED}},
	{Unreachable, []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN}},
	{Closed, []error{io.EOF, io.ErrUnexpectedEOF, unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED}},
}

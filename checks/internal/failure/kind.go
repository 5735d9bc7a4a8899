// Package failure says why a check failed: by a kind, for programs, and in words,
// for people.
package failure

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A Kind is checks.Kind.
type Kind string

// The kinds, which package checks explains.
const (
	Refused     Kind = "refused"
	Timeout     Kind = "timeout"
	Unreachable Kind = "unreachable"
	Closed      Kind = "closed"
	TLS         Kind = "tls"
	Auth        Kind = "auth"
	Status      Kind = "status"
	Protocol    Kind = "protocol"
	Mismatch    Kind = "mismatch"
	Command     Kind = "command"
	Resource    Kind = "resource"
	Other       Kind = "other"
)

// KindOf returns the kind of a cause: the one that it was given, or the one
// that its error of the operating system has.
func KindOf(err error) Kind {
	if r, ok := errors.AsType[*Reason](err); ok {
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

package checks

import (
	"context"
	"errors"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

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

// A Kind is why a check failed, in one word of a fixed set: fit for a label.
type Kind = failure.Kind

// The kinds of failures.
const (
	Refused     = failure.Refused     // the machine answers, nobody listens
	Timeout     = failure.Timeout     // nothing came in time
	Unreachable = failure.Unreachable // no route to the machine or its network
	Closed      = failure.Closed      // the connection was reset or ended too early
	TLS         = failure.TLS         // the TLS handshake failed
	Auth        = failure.Auth        // user or password was not accepted
	Status      = failure.Status      // the protocol's status was not the one wanted
	Protocol    = failure.Protocol    // the answer is not well formed
	Mismatch    = failure.Mismatch    // the answer was not the one wanted
	Command     = failure.Command     // an external check ended with an error or did not start
	Resource    = failure.Resource    // this host lacked descriptors, memory or local ports
	Other       = failure.Other       // everything else
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
	return failure.KindOf(err)
}

// Local reports whether a check could not be made because this host lacked
// descriptors, memory or local ports, so that it says nothing about the real
// server.
func Local(err error) bool { return KindOf(err) == Resource }

// attempt runs f as the check of object. Its error is an [*Error], or nil.
func attempt(ctx context.Context, check, object string, f func() error) error {
	began := time.Now()
	err := ctx.Err()
	if err == nil {
		err = f()
	} else {
		err = &failure.Cause{Err: err}
	}
	if err == nil {
		return nil
	}
	return inOneError(ctx, began, check, object, err)
}

// inOneError returns the error of a check of object that began then.
func inOneError(ctx context.Context, began time.Time, check, object string, err error) *Error {
	err = failure.InWords(ctx, began, err)
	return &Error{Check: check, Object: object, Kind: failure.KindOf(err), Err: err}
}

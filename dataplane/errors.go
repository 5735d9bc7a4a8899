package dataplane

import (
	"errors"
	"net/netip"
)

// ErrClosed is what every method of a closed Dataplane returns.
var ErrClosed = errors.New("dataplane is closed")

// ErrNotSupported marks everything that a dataplane cannot do at all, so that
// trying again is pointless.
var ErrNotSupported = errors.New("not supported")

// An OpError is the error of one operation of a dataplane.
type OpError struct {
	Op      string         // what was attempted: "listen", "add real server"
	Service ServiceID      // on which service
	Server  netip.AddrPort // its real server, if the error concerns one
	Err     error          // why it failed
}

// Error says operation, object and cause.
func (e *OpError) Error() string {
	s := e.Op + " " + e.Service.String()
	if e.Server.IsValid() {
		s += " real server " + e.Server.String()
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// A Limit says why a dataplane cannot serve a service as it is configured.
// It is known before anything is applied and matches ErrNotSupported.
type Limit struct {
	// Directive is the configuration directive at fault: "scheduler",
	// "virtual", "real".
	Directive string
	// Server is the real server at fault when Directive is "real".
	Server netip.AddrPort
	// Reason says what cannot be done and what can be done instead.
	Reason string
}

// Error returns the reason.
func (l *Limit) Error() string { return l.Reason }

// Unwrap returns ErrNotSupported.
func (l *Limit) Unwrap() error { return ErrNotSupported }

package virtual

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// Refusal returns why a client is refused. e is the error of the latest attempt
// to reach a real server, 0 if there was none; full reports whether a real server
// would take the client if it were below its limit.
func Refusal(e unix.Errno, full bool) dataplane.Refusal {
	switch {
	case e == ErrLimit, Scarce(e):
		return dataplane.Bound
	case NoPort(e):
		return dataplane.Portless
	case full:
		return dataplane.Queued
	case e != 0:
		return dataplane.Unreachable
	}
	return dataplane.Unusable
}

// SorryAnswers reports whether the built-in sorry server is to answer: always without
// an address, or with that of the service itself, otherwise when the address
// has been tried.
func SorryAnswers(c table.Claim, tried []*table.Server) bool {
	return c.Sorry() && (c.Addr() == netip.AddrPort{} || c.Circular() || slices.Contains(tried, c.Server()))
}

// Package checks finds out whether a real server is well: one attempt, one
// error that says why not.
//
// A check does nothing else. It counts nothing, logs nothing, keeps nothing
// and ends when its context does, whatever the other side is up to. What
// results mean over time is the director's business.
//
// The package imports nothing else of the project.
package checks

import (
	"context"
	"net/netip"
)

// A Func checks target once. It returns nil if the real server is well and
// otherwise an error in words fit for a status page: "connect
// 192.0.2.1:80: connection refused", "http 192.0.2.1:80: status 503, want
// 2xx". The whole attempt is over soon after ctx is; every Func may be called
// from many goroutines at once.
type Func func(ctx context.Context, target Target) error

// A Target says what to check and how. Which fields count depends on the
// check.
type Target struct {
	// Addr is the real server with the port to check.
	Addr netip.AddrPort
	// UDP: the virtual service is a UDP one.
	UDP bool
	// VirtualAddr, VirtualPort, RealAddr and RealPort are the arguments of an
	// external check, as ldirectord writes them: an IPv6 address in brackets, a
	// firewall mark as its number with port 0, port 0 for none.
	VirtualAddr, VirtualPort, RealAddr, RealPort string
	Command                                      string // of an external check
	Request                                      string
	Receive                                      Matcher // nil: anything will do
	Method                                       string  // GET or HEAD
	VirtualHost                                  string
	Login, Passwd, Database, Secret              string
	// Attempts is how many echo requests a ping check may send; each may
	// take an equal share of the time left. Below 1 is 1.
	Attempts int
}

// A Matcher decides about what a real server answered.
type Matcher interface {
	Match(answer []byte) bool
	String() string
}

// For returns the check of a name: connect, ping, external, external-perl, or
// a service as the directive service names it (http, https, ...).
func For(name string) (Func, bool) {
	f, ok := byName[name]
	return f, ok
}

var byName = map[string]Func{}

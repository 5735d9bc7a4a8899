// Package spec says how real servers are checked, by their configuration.
package spec

import (
	"net/netip"
	"time"
	"unique"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A Check is the check of a real server. Servers whose checks have the same ID share
// one, also in different services. It is small: what the checks of a service have in
// common is there once.
type Check struct {
	ID
	receive checks.Matcher
	tls     *checks.TLSOptions // nil where the check speaks none
}

// An ID distinguishes checks, also those from before a reload. It is comparable, and
// a good key of a map.
type ID struct {
	way  unique.Handle[way]
	addr netip.AddrPort // with the port to check
}

// A way is how an address is checked. It is comparable: what target points to
// elsewhere is text here, and nil there.
type way struct {
	kind    config.CheckType
	service string        // of a negotiate check
	n       int           // of checktype=N
	target  checks.Target // without the address
	receive string
	tls     string
	// The limits of a check, by its kind.
	connectTimeout, negotiateTimeout time.Duration
	interval, fast, slow             time.Duration
	path                             checks.Path
}

// For returns how to check r, nil if it is not checked at all.
func For(v *config.Virtual, r *config.Real) *Check {
	if v.CheckType == config.CheckOn || v.CheckType == config.CheckOff {
		return nil
	}
	w := way{
		kind: v.CheckType, service: v.Service, n: v.CombinedN,
		connectTimeout: v.CheckTimeout, negotiateTimeout: v.NegotiateTimeout,
		interval: v.CheckInterval, fast: v.FastInterval, slow: v.DownInterval,
		target: checks.Target{UDP: v.ID.Protocol == dataplane.UDP, Reset: v.CheckReset},
	}
	c := &Check{ID: ID{addr: v.CheckAddr(r)}}
	if c.addr.Port() == dataplane.MappedPort(r.Forward, r.Addr.Port(), v.ID.Addr.Port()) {
		// The check has to send a PROXY header where clients get one.
		w.target.ProxyProtocol = v.ProxyProtocol
	}
	c.describe(&w, v, r)
	c.way = unique.Make(w)
	return c
}

// SetPath has the VIP checked, too, by a path. It makes the check another one.
func (c *Check) SetPath(p checks.Path) {
	w := c.way.Value()
	w.path = p
	c.way = unique.Make(w)
}

// SameQuestion reports whether both checks ask the same of the same address, at
// whatever pace.
func (id ID) SameQuestion(o ID) bool {
	a, b := id.way.Value(), o.way.Value()
	a.connectTimeout, a.negotiateTimeout, a.interval, a.fast, a.slow = b.connectTimeout, b.negotiateTimeout, b.interval, b.fast, b.slow
	return id.addr == o.addr && a == b
}

// Addr returns the address that is checked.
func (id ID) Addr() netip.AddrPort { return id.addr }

// Path returns the way to the VIP that is checked, too; its mark is 0 for none.
func (id ID) Path() checks.Path { return id.way.Value().path }

// Connects returns how many connects follow each negotiation that succeeds.
func (id ID) Connects() int { return id.way.Value().n }

// Intervals returns the times between two checks: the usual one, that while the
// latest results contradict the state, and that while the real server is down.
func (id ID) Intervals() (usual, fast, slow time.Duration) {
	w := id.way.Value()
	return w.interval, w.fast, w.slow
}

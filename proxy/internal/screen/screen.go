package screen

import (
	"net/netip"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Verdict is the decision about a client.
type Verdict uint8

// Denied clients are refused by the rules, Throttled ones because their source has
// reached its limits.
const (
	Admitted Verdict = iota
	Denied
	Throttled
)

// String returns the word for a log.
func (v Verdict) String() string {
	return [...]string{"admitted", "denied by its address", "beyond the limits of its source"}[v]
}

// A Screen decides for one virtual service. The zero value admits everybody.
// All methods may be called from several goroutines at once.
type Screen struct {
	order   atomic.Pointer[order] // nil: there is nothing to decide
	sources sources
}

// An order is the rules and limits in force.
type order struct {
	rules  *Rules
	limits Limits
}

// Set puts rules and limits in force, both at once. Admitted clients stay, and go on
// counting for their sources, unless prefixes have another length now: then only new
// clients count.
func (s *Screen) Set(r *Rules, l Limits) {
	var o *order
	if r != nil || l.on() {
		o = &order{r, l}
	}
	if old := s.order.Swap(o); old == nil || old.limits != l {
		s.sources.adapt(l) // it delays calls of Admit
	}
}

// Open reports whether everybody is admitted.
func (s *Screen) Open() bool { return s.order.Load() == nil }

// Admit decides about a client. If the client counts for its source the Source is
// not nil, and the caller calls its Leave when the client has gone.
func (s *Screen) Admit(client netip.Addr) (*Source, Verdict) {
	o := s.order.Load()
	switch {
	case o == nil:
		return nil, Admitted
	case !o.rules.Serve(client):
		return nil, Denied
	case !o.limits.on():
		return nil, Admitted
	}
	return s.sources.admit(o.limits.prefix(client), o.limits)
}

// Expire forgets sources that have no connections and their whole rate. Decisions of
// Admit do not depend on it.
func (s *Screen) Expire() { s.sources.expire() }

// Evicted returns how many sources have been forgotten before their time, to make
// room for others.
func (s *Screen) Evicted() uint64 { return s.sources.forgotten.Load() }

// Sources returns the number of remembered sources, and that of their connections.
func (s *Screen) Sources() (known, having int) { return s.sources.count() }

// Limits are the limits of each source. The zero value means no limits.
type Limits struct {
	Conns int            // at a time; 0 is no limit
	Rate  dataplane.Rate // of new ones
	// Bits4 and Bits6 are the lengths of the prefixes that are one source.
	Bits4, Bits6 int
}

func (l Limits) on() bool { return l.Conns > 0 || l.Rate.Count > 0 }

// prefix returns the source of a client.
func (l Limits) prefix(client netip.Addr) netip.Prefix {
	client = client.Unmap()
	bits := l.Bits6
	if client.Is4() {
		bits = l.Bits4
	}
	p, _ := client.Prefix(bits) // the zero value, one source, if there is no such length
	return p
}

package table

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Server is one real server of a service. Its identity outlasts changes of its
// weight and, as long as it has connections or pinned clients, its removal: one
// that comes back has them again. It always has its counters again.
type Server struct {
	addr    netip.AddrPort
	before  *dataplane.Counters // of servers at the address that were forgotten, nil for none
	count   traffic
	removed atomic.Bool
	cut     atomic.Bool // no connection may remain
	// failures are the attempts that failed since the server was last reached.
	failures run

	// The service's lock guards the rest.
	spec       dataplane.RealServer
	lastWeight int // as configured before it became quiescent
	active     int
	pinned     int
	overloaded bool
}

// A run counts failures without a success between them. A success writes nothing
// here, since successes are counted elsewhere: the lower 16 bits are the failures,
// at most 65535, the others those of the number of successes before them.
type run struct{ atomic.Uint64 }

// add counts a failure after so many successes and returns how many there are in a
// row. Beyond 65535 it begins anew.
func (r *run) add(successes uint64) int {
	for {
		old := r.Load()
		next := successes<<16 | 1
		if old>>16 == successes<<16>>16 && old&0xffff < 0xffff {
			next = old + 1
		}
		if r.CompareAndSwap(old, next) {
			return int(next & 0xffff)
		}
	}
}

// Addr returns the address of the server, the zero value for a built-in sorry
// server.
func (sv *Server) Addr() netip.AddrPort { return sv.addr }

// set puts spec into force. A server above its new threshold is overloaded at
// once; one that was overloaded before stays so until it is below the lower
// threshold.
func (sv *Server) set(spec dataplane.RealServer) {
	sv.spec = spec
	if spec.Weight > 0 || sv.removed.Load() {
		sv.lastWeight = spec.Weight
	}
	sv.removed.Store(false)
	sv.overloaded = sv.full() || sv.overloaded && !sv.relieved()
}

// takes reports whether a scheduler may choose the server.
func (sv *Server) takes(r request) bool { return !sv.occupied() && sv.wants(r) }

// wants is takes without regard to MaxConn.
func (sv *Server) wants(r request) bool {
	return sv.spec.Weight > 0 && !sv.overloaded && !sv.cut.Load() && !slices.Contains(r.tried, sv)
}

// occupied reports whether the server has as many connections as it may.
func (sv *Server) occupied() bool {
	return sv.spec.MaxConn != 0 && sv.active >= int(sv.spec.MaxConn)
}

// enter and leave count connections and keep the overload flag as
// ip_vs_bind_dest and ip_vs_unbind_dest do.
func (sv *Server) enter() {
	sv.active++
	sv.overloaded = sv.overloaded || sv.full()
}

func (sv *Server) leave() {
	sv.active--
	sv.overloaded = sv.overloaded && !sv.relieved()
}

// forgotten reports whether the server has no connection and no pinned client.
func (sv *Server) forgotten() bool { return sv.active == 0 && sv.pinned == 0 }

func (sv *Server) full() bool {
	return sv.spec.Upper != 0 && sv.active >= int(sv.spec.Upper)
}

// relieved reports whether an overloaded server may be chosen again: below
// the lower threshold, or without one below three quarters of the upper.
func (sv *Server) relieved() bool {
	switch {
	case sv.spec.Upper == 0:
		return true
	case sv.spec.Lower != 0:
		return sv.active < int(sv.spec.Lower)
	}
	return sv.active*4 < int(sv.spec.Upper)*3
}

func (sv *Server) status() dataplane.ServerStatus {
	return dataplane.ServerStatus{
		RealServer: sv.spec,
		Counters:   sv.counted(),
		Active:     sv.active,
		Persistent: sv.pinned,
	}
}

// counted returns all counters of the address.
func (sv *Server) counted() dataplane.Counters {
	if sv.before == nil {
		return sv.count.read()
	}
	return sv.before.Add(sv.count.read())
}

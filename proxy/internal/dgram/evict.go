package dgram

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// idleToEvict is the number of ticks for which a flow of each class has to be silent
// before it is evicted: a flood of forged clients can take the place of idle flows,
// but not of active ones, and a real server has the time to answer. A client that
// has had an answer is likely to be done: each query of a resolver is a flow.
var idleToEvict = [classes]uint32{
	unanswered: uint32(200 * time.Millisecond / engine.TickLength),
	answered:   0,
	assured:    engine.Ticks(time.Second),
}

// An evictor ends idle flows to make room for new ones.
type evictor struct {
	h      *handler
	worker *engine.Worker

	fullest   *port  // the one with the most flows that was seen
	short     bool   // the host has no more sockets, see evictForShortage
	cursor    int    // the port that was searched last
	requested uint32 // tick in which there was no place
}

const (
	// evictShare of all flows at most are evicted at a time for other workers,
	// or for a port.
	evictShare = 64
	// evictLook is the number of services that are searched for a flow to evict.
	evictLook = 8
)

// acquire acquires a place for a flow of p, if necessary that of another flow.
func (ev *evictor) acquire(p *port) bool {
	rooms := ev.h.fwd.limiter
	if rooms.Acquire(&p.service.Quota) {
		return true
	}
	if f := ev.idlest(p); f != nil {
		ev.h.fwd.evictions.Add(1)
		ev.h.replace(f, p)
		ev.shrink(p)
		return true
	}
	rooms.Refuse()
	ev.requestEviction(p.service, false)
	return false
}

// shrink ends one flow if there are too many because the limit has been lowered.
func (ev *evictor) shrink(p *port) {
	if ev.h.fwd.limiter.OverLimit() {
		ev.evict(p)
	}
}

// evict ends a flow to make room for one of p, and reports whether there was such a
// flow.
func (ev *evictor) evict(p *port) bool {
	f := ev.idlest(p)
	if f == nil {
		return false
	}
	ev.h.fwd.evictions.Add(1)
	ev.h.drop(f)
	return true
}

// evictForShortage ends flows of any service because the host has no more sockets,
// and reports whether there were some. When no port is free the kernel searches all
// of them, which must not be repeated for each client: so the limit is lowered, until
// the ports are set again, and some more flows make room. They may have ports that
// are no longer chosen from.
func (ev *evictor) evictForShortage(p *port, e unix.Errno) bool {
	n := int64(1)
	if virtual.NoPort(e) {
		taken := ev.h.fwd.limiter.Used()
		n += taken / evictShare
		ev.h.fwd.shortOfPorts(taken - n)
	}
	if ev.makeRoom(p, n, true) {
		return true
	}
	ev.requestEviction(p.service, true)
	return false
}

// makeRoom ends up to n flows for those of p, and reports whether there were some.
// With need they may be of any service.
func (ev *evictor) makeRoom(p *port, n int64, need bool) (some bool) {
	ev.short = need
	for ; n > 0 && ev.evict(p); n-- {
		some = true
	}
	ev.short = false
	return some
}

// idlest returns the flow to evict for one of p: of the lowest class the one that
// has been silent longest, of the service with the most flows. It returns nil if
// none has been silent long enough, or the services have no more than their own
// places.
func (ev *evictor) idlest(p *port) *flow {
	ports := ev.candidates(p)
	for r := range classes {
		var most *port
		var found *flow
		for _, q := range ports {
			if q == nil || most != nil && q.count <= most.count {
				continue
			}
			if f := ev.h.flows.oldest(q, r); f != nil && ev.worker.Tick-f.last >= idleToEvict[r] {
				most, found = q, f
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// candidates returns the ports to search: p, the port with the most flows and some
// of the others in rotation, so that the cost does not depend on their number.
func (ev *evictor) candidates(p *port) (all [evictLook]*port) {
	for i := range all[2:] {
		if ev.cursor++; ev.cursor >= len(ev.h.ports) {
			ev.cursor = 0
		}
		if q := ev.h.ports[ev.cursor]; q != nil {
			if ev.fullest == nil || q.count > ev.fullest.count {
				ev.fullest = q
			}
			if ev.mayEvict(q, p) {
				all[2+i] = q
			}
		}
	}
	if all[0] = p; ev.fullest != nil && ev.mayEvict(ev.fullest, p) {
		all[1] = ev.fullest
	}
	return all
}

// mayEvict reports whether flows of q may be evicted for one of p: if q has more of
// them, and more than its service's own places unless the host has no more sockets.
func (ev *evictor) mayEvict(q, p *port) bool {
	return q.count > p.count && (ev.short || ev.h.fwd.limiter.Beyond(&q.service.Quota))
}

// requestEviction asks the other workers to make room, once a tick: their flows may
// have all places.
func (ev *evictor) requestEviction(s *Service, need bool) {
	if ev.requested == ev.worker.Tick {
		return
	}
	ev.requested = ev.worker.Tick
	ev.h.fwd.reportLimit(s)
	for _, w := range ev.worker.Engine.Workers() {
		if other := engine.Of[*handler](w); other != ev.h {
			w.Post(func() { other.evict.serveEviction(s, need) })
		}
	}
}

// serveEviction makes room for flows of s on other workers.
func (ev *evictor) serveEviction(s *Service, need bool) {
	i := slices.IndexFunc(ev.h.ports, func(p *port) bool { return p != nil && p.service == s })
	if i < 0 {
		return // it has been closed on this worker
	}
	ev.makeRoom(ev.h.ports[i], 1+ev.h.fwd.limiter.Used()/evictShare, need)
}

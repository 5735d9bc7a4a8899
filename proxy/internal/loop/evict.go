package loop

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// What a flow of a rank has to have been silent for to make room for another: a
// flood of clients that do not exist can take the place of forgotten flows, but
// not of those at work, and a real server has the time to answer. Who has had
// an answer is likely to be done: each query of a resolver is a flow.
var spare = [ranks]uint32{
	unanswered: uint32(200 * time.Millisecond / tickLength),
	answered:   0,
	assured:    ticks(time.Second),
}

const (
	// evictShare of all flows at most are evicted at a time for other workers,
	// or for a port.
	evictShare = 64
	// evictLook is how many services are looked at for a flow to evict.
	evictLook = 8
)

// place takes a place for a flow of p, if need be that of another.
func (w *worker) place(p *port) bool {
	rooms := &w.engine.rooms
	if rooms.take(&p.service.quota) {
		return true
	}
	if f := w.idlest(p); f != nil {
		w.engine.evictions.Add(1)
		w.replace(f, p)
		w.shrink(p)
		return true
	}
	rooms.refused.Add(1)
	w.plead(p.service, false)
	return false
}

// shrink ends a flow more where there are too many since the limit has become
// lower.
func (w *worker) shrink(p *port) {
	if w.engine.rooms.over() {
		w.evict(p)
	}
}

// evict ends a flow that can give way to one of p, and reports whether there was
// one.
func (w *worker) evict(p *port) bool {
	f := w.idlest(p)
	if f == nil {
		return false
	}
	w.engine.evictions.Add(1)
	w.drop(f)
	return true
}

// relieve ends flows for want of what a socket is made of, of whatever service,
// and reports whether there were some. A search for a port in vain looks at all
// of them, so that it is not to be repeated for each client: the limit becomes
// lower, until the ports are set again, and some more make room. They may have
// ports that are no longer chosen from.
func (w *worker) relieve(p *port, e unix.Errno) bool {
	n := int64(1)
	if portless(e) {
		taken := w.engine.rooms.taken.Load()
		n += taken / evictShare
		w.engine.shortOfPorts(taken - n)
	}
	if w.makeRoom(p, n, true) {
		return true
	}
	w.plead(p.service, true)
	return false
}

// makeRoom ends up to n flows for those of p, in need of whatever service, and
// reports whether there were some.
func (w *worker) makeRoom(p *port, n int64, need bool) (some bool) {
	w.need = need
	for ; n > 0 && w.evict(p); n-- {
		some = true
	}
	w.need = false
	return some
}

// idlest returns the flow to evict for one of p: of the lowest rank the one that
// has been silent longest, of the service with the most flows. It is nil if none
// has been for long enough, or those services have no more than what is theirs.
func (w *worker) idlest(p *port) *flow {
	ports := w.candidates(p)
	for r := range ranks {
		var most *port
		var found *flow
		for _, q := range ports {
			if q == nil || most != nil && q.count <= most.count {
				continue
			}
			if f := w.flows.oldest(q, r); f != nil && w.tick-f.last >= spare[r] {
				most, found = q, f
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// candidates returns where to look: p, the port with the most flows and some of
// the others in turn, so that the cost does not depend on how many there are.
func (w *worker) candidates(p *port) (all [evictLook]*port) {
	for i := range all[2:] {
		if w.looked++; w.looked >= len(w.ports) {
			w.looked = 0
		}
		if q := w.ports[w.looked]; q != nil {
			if w.fullest == nil || q.count > w.fullest.count {
				w.fullest = q
			}
			if w.yields(q, p) {
				all[2+i] = q
			}
		}
	}
	if all[0] = p; w.fullest != nil && w.yields(w.fullest, p) {
		all[1] = w.fullest
	}
	return all
}

// yields reports whether the flows of q may give way to one of p: if there are
// more of them, and more than what is their service's own but in need.
func (w *worker) yields(q, p *port) bool {
	return q.count > p.count && (w.need || w.engine.rooms.beyond(&q.service.quota))
}

// plead asks the other workers to make room, once a tick: all places may be
// taken by flows of theirs.
func (w *worker) plead(s *Service, need bool) {
	if w.pleaded == w.tick {
		return
	}
	w.pleaded = w.tick
	w.engine.crowdedFlows(s)
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	for _, other := range w.engine.workers {
		if other != w {
			other.mailbox.post(func() { other.yield(s, need) })
		}
	}
}

// yield makes room for flows of s at other workers.
func (w *worker) yield(s *Service, need bool) {
	i := slices.IndexFunc(w.ports, func(p *port) bool { return p != nil && p.service == s })
	if i < 0 {
		return // it is closed here by now
	}
	w.makeRoom(w.ports[i], 1+w.engine.rooms.taken.Load()/evictShare, need)
}

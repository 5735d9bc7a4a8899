package loop

import "time"

// What a flow of a rank has to have been silent for to make room for another: a
// flood of clients that do not exist can take the place of forgotten flows, but
// not of those at work, and a real server has the time to answer. Who has had
// an answer is likely to be done: each query of a resolver is a flow.
var spare = [ranks]uint32{
	unanswered: uint32(200 * time.Millisecond / tickLength),
	answered:   0,
	assured:    ticks(time.Second),
}

// evictShare of all flows at most are evicted at a time for other workers.
const evictShare = 64

// place takes a place for a flow, if need be that of another.
func (w *worker) place(p *port) bool {
	if w.engine.rooms.take() {
		return true
	}
	if f := w.idlest(); f != nil {
		w.engine.evictions.Add(1)
		w.replace(f)
		w.shrink()
		return true
	}
	w.engine.rooms.refused.Add(1)
	w.plead(p.service)
	return false
}

// shrink ends a flow more where there are too many since the limit has become
// lower.
func (w *worker) shrink() {
	if !w.engine.rooms.over() {
		return
	}
	if f := w.idlest(); f != nil {
		w.engine.evictions.Add(1)
		w.drop(f)
	}
}

// idlest returns the flow to evict: of the lowest rank the one that has been
// silent longest, nil if none has been for long enough.
func (w *worker) idlest() *flow {
	for r := range ranks {
		var idlest *flow
		for _, p := range w.ports {
			if p == nil {
				continue
			}
			f := w.flows.oldest(p, r)
			if f != nil && w.tick-f.last >= spare[r] && (idlest == nil || int32(f.last-idlest.last) < 0) {
				idlest = f
			}
		}
		if idlest != nil {
			return idlest
		}
	}
	return nil
}

// plead asks the other workers to make room, once a tick: all places may be
// taken by flows of theirs.
func (w *worker) plead(s *Service) {
	if w.pleaded == w.tick {
		return
	}
	w.pleaded = w.tick
	w.engine.crowdedFlows(s)
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	for _, other := range w.engine.workers {
		if other != w {
			other.mailbox.post(other.yield)
		}
	}
}

// yield makes room for others.
func (w *worker) yield() {
	for range 1 + w.engine.rooms.limit.Load()/evictShare {
		f := w.idlest()
		if f == nil {
			return
		}
		w.engine.evictions.Add(1)
		w.drop(f)
	}
}

package loop

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A queue holds the listeners that wait for a place. Their clients wait in the
// backlog. Services have their turn one after the other.
type queue struct {
	waiting atomic.Int64 // listeners

	mu       sync.Mutex
	services []*quota // those with listeners that wait
}

func (q *queue) add(l *listener) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &l.service.quota
	if len(s.held) == 0 {
		q.services = append(q.services, s)
	}
	s.held = append(s.held, l)
	s.waiting.Store(true)
	q.waiting.Add(1)
}

// next takes a listener of s out, or of the service whose turn it is if s is
// nil. It returns nil if there is none.
func (q *queue) next(s *quota) *listener {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s == nil && len(q.services) > 0 {
		s = q.services[0]
	}
	if s == nil || len(s.held) == 0 {
		return nil
	}
	l := s.held[0]
	q.drop(s, 0)
	return l
}

// remove takes l out, and reports whether it was there.
func (q *queue) remove(l *listener) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &l.service.quota
	i := slices.Index(s.held, l)
	if i >= 0 {
		q.drop(s, i)
	}
	return i >= 0
}

// drop takes the i-th listener of s out, and has the others of s wait for the
// next turn.
func (q *queue) drop(s *quota, i int) {
	q.waiting.Add(-1)
	s.held = slices.Delete(s.held, i, i+1)
	at := slices.Index(q.services, s)
	q.services = slices.Delete(q.services, at, at+1)
	s.waiting.Store(len(s.held) > 0)
	if len(s.held) > 0 {
		q.services = append(q.services, s)
	}
}

// invite has a listener try again for which s has left a place: one of its own,
// or one that is for all.
func (p *places) invite(s *quota, own bool) {
	if p.queue.waiting.Load() == 0 {
		return
	}
	if !own {
		s = nil
	}
	if l := p.queue.next(s); l != nil {
		l.worker.mailbox.post(func() { l.worker.retry(l) })
	}
}

// hold stops accepting at a listener until there is a place for its service.
func (w *worker) hold(l *listener) {
	p := &w.engine.places
	l.held = true
	w.held++
	if l.armed {
		w.arm(l)
		p.refused.Add(1)
		w.engine.crowded(l.service)
	}
	p.queue.add(l)
	if p.room(&l.service.quota) && p.queue.remove(l) { // since just now
		w.mailbox.post(func() { w.retry(l) })
	}
}

// retry accepts again at a listener that has waited, which has been taken out of
// the queue, and lets another one try if it leaves the place.
func (w *worker) retry(l *listener) {
	if w.listeners[l.place] != l {
		return // closed
	}
	p := &w.engine.places
	if l.held {
		if w.paused {
			p.queue.add(l) // there are places, and no descriptors
			return
		}
		w.unhold(l)
		w.admit(l, acceptShare)
	}
	w.arm(l)
	if !l.held && p.lent.Load() < p.common.Load() && !p.full() {
		p.invite(nil, false)
	}
}

// unhold has a listener no longer wait.
func (w *worker) unhold(l *listener) {
	l.held = false
	w.held--
}

// retryAll is for places that no service has left: there may be more of them, or
// others may have them, since services have come or gone.
func (w *worker) retryAll() {
	if w.held == 0 || w.paused {
		return
	}
	for _, l := range w.listeners {
		if l != nil && l.held && w.engine.places.room(&l.service.quota) && w.engine.places.queue.remove(l) {
			w.retry(l)
		}
	}
}

package engine

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Waiter waits for a place of a quota.
type Waiter struct {
	Quota *Quota
	// Ready is called when there may be a place. It must not block.
	Ready func()
}

// A queue holds the waiters for a place. It serves the services in rotation.
type queue struct {
	waiting atomic.Int64 // waiters

	mu       sync.Mutex
	services []*Quota // those with waiters
}

// add appends a waiter to its service.
func (q *queue) add(l *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := l.Quota
	if len(s.held) == 0 {
		q.services = append(q.services, s)
	}
	s.held = append(s.held, l)
	s.waiting.Store(true)
	q.waiting.Add(1)
}

// next removes and returns a waiter of s, or of the service whose turn it is if s
// is nil. It returns nil if there is none.
func (q *queue) next(s *Quota) *Waiter {
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

// remove removes l, and reports whether it was there.
func (q *queue) remove(l *Waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := l.Quota
	i := slices.Index(s.held, l)
	if i >= 0 {
		q.drop(s, i)
	}
	return i >= 0
}

// drop removes the i-th waiter of s. The others of s wait until the other services
// have been served.
func (q *queue) drop(s *Quota, i int) {
	q.waiting.Add(-1)
	s.held = slices.Delete(s.held, i, i+1)
	at := slices.Index(q.services, s)
	q.services = slices.Delete(q.services, at, at+1)
	s.waiting.Store(len(s.held) > 0)
	if len(s.held) > 0 {
		q.services = append(q.services, s)
	}
}

// WakeNext lets a waiter try again after s has released a place: of s if the place
// is its own, of any service if it is common.
func (p *Limiter) WakeNext(s *Quota, own bool) {
	if p.queue.waiting.Load() == 0 {
		return
	}
	if !own {
		s = nil
	}
	if l := p.queue.next(s); l != nil {
		l.Ready()
	}
}

package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Limiter bounds the connections, or the flows, of all workers together. Half of
// the places are divided equally among services as their own; the other half is
// common and taken first come, first served. So a flood on one service leaves the
// others their own places.
type Limiter struct {
	limit   atomic.Int64
	taken   atomic.Int64
	own     atomic.Int64 // places that each service has to itself
	common  atomic.Int64 // places for all services
	lent    atomic.Int64 // common places that are taken
	refused atomic.Uint64
	vacated chan struct{} // holds one when the last has left
	queue   queue

	mu       sync.Mutex
	services []*Quota // that divide the places
}

// NewLimiter returns a Limiter without places; SetLimit sets their number.
func NewLimiter() *Limiter { return &Limiter{vacated: make(chan struct{}, 1)} }

// A Quota counts the places that one service has.
type Quota struct {
	own      atomic.Int64
	borrowed atomic.Int64 // of those for all
	held     []*Waiter    // waiters, see queue
	waiting  atomic.Bool  // there are some
}

// Waiting reports whether there are waiters for a place of s.
func (s *Quota) Waiting() bool { return s.waiting.Load() }

// SetLimit changes the number of places.
func (p *Limiter) SetLimit(limit int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit.Store(limit)
	p.divide()
}

// Join adds a service, among which the own places are divided.
func (p *Limiter) Join(s *Quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.services = append(p.services, s)
	p.divide()
}

// Part removes a service. It keeps its places until it releases them.
func (p *Limiter) Part(s *Quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.services, s); i >= 0 {
		p.services = slices.Delete(p.services, i, i+1)
	}
	p.level(s, 0)
	p.divide()
}

// divide sets how many places are common and how many are reserved for each
// service.
func (p *Limiter) divide() {
	limit, own, n := p.limit.Load(), int64(0), int64(len(p.services))
	if n > 0 && n <= limit {
		own = max(1, limit/2/n)
	}
	p.own.Store(own)
	p.common.Store(limit - own*n)
	for _, s := range p.services {
		p.level(s, own)
	}
}

// level counts the places of s beyond its own as borrowed, and no others.
func (p *Limiter) level(s *Quota, own int64) {
	for {
		switch had, lent := s.own.Load(), s.borrowed.Load(); {
		case had > own:
			if s.own.CompareAndSwap(had, had-1) {
				s.borrowed.Add(1)
				p.lent.Add(1)
			}
		case had < own && lent > 0:
			if s.borrowed.CompareAndSwap(lent, lent-1) {
				s.own.Add(1)
				p.lent.Add(-1)
			}
		default:
			return
		}
	}
}

// Acquire takes a place for s, and reports whether there was one.
func (p *Limiter) Acquire(s *Quota) bool {
	if p.taken.Add(1) > p.limit.Load() || !p.grant(s) {
		p.Vacate()
		return false
	}
	return true
}

func (p *Limiter) grant(s *Quota) bool {
	if s.own.Add(1) <= p.own.Load() {
		return true
	}
	s.own.Add(-1)
	if p.lent.Add(1) <= p.common.Load() {
		s.borrowed.Add(1)
		return true
	}
	p.lent.Add(-1)
	return false
}

// Release returns a place of s.
func (p *Limiter) Release(s *Quota) {
	own := p.Give(s)
	p.Vacate()
	p.WakeNext(s, own)
}

// Give takes a place from s, borrowed ones first, and reports whether it was one of
// its own.
func (p *Limiter) Give(s *Quota) (own bool) {
	for n := s.borrowed.Load(); n > 0; n = s.borrowed.Load() {
		if s.borrowed.CompareAndSwap(n, n-1) {
			p.lent.Add(-1)
			return false
		}
	}
	s.own.Add(-1)
	return true
}

// Swap moves a place from one service to another, even above the limit.
func (p *Limiter) Swap(from, to *Quota) {
	if from == to {
		return
	}
	p.Give(from)
	if to.own.Add(1) > p.own.Load() {
		to.own.Add(-1)
		to.borrowed.Add(1)
		p.lent.Add(1)
	}
}

// Beyond reports whether s has more places than its own.
func (p *Limiter) Beyond(s *Quota) bool { return s.used() > p.own.Load() }

func (s *Quota) used() int64 { return s.own.Load() + s.borrowed.Load() }

// Room reports whether s would get a place now.
func (p *Limiter) Room(s *Quota) bool {
	return !p.full() && (s.own.Load() < p.own.Load() || p.lent.Load() < p.common.Load())
}

// full reports whether all places are taken.
func (p *Limiter) full() bool { return p.taken.Load() >= p.limit.Load() }

// OverLimit reports whether more places are taken than the limit allows, because
// the limit has been lowered.
func (p *Limiter) OverLimit() bool { return p.taken.Load() > p.limit.Load() }

// CommonFree reports whether a common place is free.
func (p *Limiter) CommonFree() bool { return p.lent.Load() < p.common.Load() && !p.full() }

// Used returns how many places are taken.
func (p *Limiter) Used() int64 { return p.taken.Load() }

// Refuse counts a refusal for want of a place.
func (p *Limiter) Refuse() { p.refused.Add(1) }

// Enqueue adds a waiter, which is called when there is a place for it.
func (p *Limiter) Enqueue(h *Waiter) { p.queue.add(h) }

// Dequeue removes a waiter, and reports whether it was waiting.
func (p *Limiter) Dequeue(h *Waiter) bool { return p.queue.remove(h) }

// Vacate counts one place less as taken.
func (p *Limiter) Vacate() {
	if p.taken.Add(-1) == 0 {
		p.signal()
	}
}

func (p *Limiter) signal() {
	select {
	case p.vacated <- struct{}{}:
	default:
	}
}

// Wait returns nil when no place is taken, or ctx's error.
func (p *Limiter) Wait(ctx context.Context) error {
	for p.taken.Load() > 0 {
		select {
		case <-p.vacated:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.signal() // to others who wait
	return nil
}

// Load returns how many places are taken and refused.
func (p *Limiter) Load() dataplane.Usage {
	return dataplane.Usage{
		Used: p.taken.Load(), Limit: p.limit.Load(), Refused: p.refused.Load(),
		Reserved: p.own.Load(), FullListeners: p.queue.waiting.Load(),
	}
}

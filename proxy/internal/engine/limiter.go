package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// Limiter bound what all workers have together: connections, or flows.
// Half of them are divided equally among services,
// to each its own; the other half is for whoever comes first, so that a flood
// on one service leaves the others theirs.
type Limiter struct {
	limit   atomic.Int64
	taken   atomic.Int64
	own     atomic.Int64 // how many each service has to itself
	common  atomic.Int64 // how many are for all
	lent    atomic.Int64 // how many of those are taken
	refused atomic.Uint64
	vacated chan struct{} // holds one when the last has left
	queue   queue

	mu       sync.Mutex
	services []*Quota // that divide the places
}

// NewLimiter returns none. Bound says how many there are.
func NewLimiter() *Limiter { return &Limiter{vacated: make(chan struct{}, 1)} }

// A Quota is what one service has of the places.
type Quota struct {
	own      atomic.Int64
	borrowed atomic.Int64 // of those for all
	held     []*Waiter    // those that wait, see queue
	waiting  atomic.Bool  // there are some
}

// Waiting reports whether somebody waits for a place of s.
func (s *Quota) Waiting() bool { return s.waiting.Load() }

// SetLimit changes the number of places.
func (p *Limiter) SetLimit(limit int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit.Store(limit)
	p.divide()
}

// Join says that there is a service more.
func (p *Limiter) Join(s *Quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.services = append(p.services, s)
	p.divide()
}

// Part says that there is one service less. It keeps what it has until it gives
// it back.
func (p *Limiter) Part(s *Quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.services, s); i >= 0 {
		p.services = slices.Delete(p.services, i, i+1)
	}
	p.level(s, 0)
	p.divide()
}

// divide says how many places are common and how many are reserved for each
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

// level has what s has beyond so many of its own be borrowed, and nothing else.
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

// Acquire reports whether there was room for s.
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

// Release gives a place of s back.
func (p *Limiter) Release(s *Quota) {
	own := p.Give(s)
	p.Vacate()
	p.WakeNext(s, own)
}

// Give takes a place from s, its own last, and reports whether it was that.
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

// Swap has a place change hands, whether or not there are too many.
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

// Beyond reports whether s has more than what is its own.
func (p *Limiter) Beyond(s *Quota) bool { return s.used() > p.own.Load() }

func (s *Quota) used() int64 { return s.own.Load() + s.borrowed.Load() }

// Room reports whether s would get a place now.
func (p *Limiter) Room(s *Quota) bool {
	return !p.full() && (s.own.Load() < p.own.Load() || p.lent.Load() < p.common.Load())
}

// full reports whether there is no room, over whether there is less than none:
// the limit has become lower.
func (p *Limiter) full() bool { return p.taken.Load() >= p.limit.Load() }

// OverLimit reports whether more are taken than there may be, since the limit has
// become lower.
func (p *Limiter) OverLimit() bool { return p.taken.Load() > p.limit.Load() }

// CommonFree reports whether a place that is for all services is free.
func (p *Limiter) CommonFree() bool { return p.lent.Load() < p.common.Load() && !p.full() }

// Used returns how many places are taken.
func (p *Limiter) Used() int64 { return p.taken.Load() }

// Refuse counts somebody who has got no place.
func (p *Limiter) Refuse() { p.refused.Add(1) }

// Enqueue adds a waiter, which is called when there is a place for it.
func (p *Limiter) Enqueue(h *Waiter) { p.queue.add(h) }

// Dequeue takes a waiter out, and reports whether it was waiting.
func (p *Limiter) Dequeue(h *Waiter) bool { return p.queue.remove(h) }

// Vacate counts one less.
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

// Wait returns when nobody is there, or with ctx's error.
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

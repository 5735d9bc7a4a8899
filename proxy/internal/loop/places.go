package loop

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// places bound what all workers have together: connections, or flows.
// Half of them are divided equally among services,
// to each its own; the other half is for whoever comes first, so that a flood
// on one service leaves the others theirs.
type places struct {
	limit   atomic.Int64
	taken   atomic.Int64
	own     atomic.Int64 // how many each service has to itself
	common  atomic.Int64 // how many are for all
	lent    atomic.Int64 // how many of those are taken
	refused atomic.Uint64
	vacated chan struct{} // holds one when the last has left
	queue   queue

	mu       sync.Mutex
	services []*quota // that divide the places
}

// newPlaces returns none. Bound says how many there are.
func newPlaces() *places { return &places{vacated: make(chan struct{}, 1)} }

// A quota is what one service has of the places.
type quota struct {
	own      atomic.Int64
	borrowed atomic.Int64 // of those for all
	held     []*hold      // those that wait, see queue
	waiting  atomic.Bool  // there are some
}

// holding reports whether somebody waits for a place of s.
func (s *quota) holding() bool { return s.waiting.Load() }

// bound changes the number of places.
func (p *places) bound(limit int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit.Store(limit)
	p.divide()
}

// join says that there is a service more, part that there is one less. That one
// keeps what it has until it gives it back.
func (p *places) join(s *quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.services = append(p.services, s)
	p.divide()
}

func (p *places) part(s *quota) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.services, s); i >= 0 {
		p.services = slices.Delete(p.services, i, i+1)
	}
	p.level(s, 0)
	p.divide()
}

// divide has all places be for all or some service's.
func (p *places) divide() {
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
func (p *places) level(s *quota, own int64) {
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

// take reports whether there was room for s.
func (p *places) take(s *quota) bool {
	if p.taken.Add(1) > p.limit.Load() || !p.grant(s) {
		p.vacate()
		return false
	}
	return true
}

func (p *places) grant(s *quota) bool {
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

// leave gives a place of s back.
func (p *places) leave(s *quota) {
	own := p.give(s)
	p.vacate()
	p.invite(s, own)
}

// give takes a place from s, its own last, and reports whether it was that.
func (p *places) give(s *quota) (own bool) {
	for n := s.borrowed.Load(); n > 0; n = s.borrowed.Load() {
		if s.borrowed.CompareAndSwap(n, n-1) {
			p.lent.Add(-1)
			return false
		}
	}
	s.own.Add(-1)
	return true
}

// swap has a place change hands, whether or not there are too many.
func (p *places) swap(from, to *quota) {
	if from == to {
		return
	}
	p.give(from)
	if to.own.Add(1) > p.own.Load() {
		to.own.Add(-1)
		to.borrowed.Add(1)
		p.lent.Add(1)
	}
}

// beyond reports whether s has more than what is its own.
func (p *places) beyond(s *quota) bool { return s.used() > p.own.Load() }

func (s *quota) used() int64 { return s.own.Load() + s.borrowed.Load() }

// room reports whether s would get a place now.
func (p *places) room(s *quota) bool {
	return !p.full() && (s.own.Load() < p.own.Load() || p.lent.Load() < p.common.Load())
}

// full reports whether there is no room, over whether there is less than none:
// the limit has become lower.
func (p *places) full() bool { return p.taken.Load() >= p.limit.Load() }
func (p *places) over() bool { return p.taken.Load() > p.limit.Load() }

// shared reports whether one of those for all is free.
func (p *places) shared() bool { return p.lent.Load() < p.common.Load() && !p.full() }

// used returns how many are taken.
func (p *places) used() int64 { return p.taken.Load() }

// refuse counts somebody who has got none.
func (p *places) refuse() { p.refused.Add(1) }

// await has a hold wait for a place, and forget takes it out again and reports
// whether it did wait.
func (p *places) await(h *hold)       { p.queue.add(h) }
func (p *places) forget(h *hold) bool { return p.queue.remove(h) }

// vacate counts one less.
func (p *places) vacate() {
	if p.taken.Add(-1) == 0 {
		p.signal()
	}
}

func (p *places) signal() {
	select {
	case p.vacated <- struct{}{}:
	default:
	}
}

// wait returns when nobody is there, or with ctx's error.
func (p *places) wait(ctx context.Context) error {
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

// load tells of them.
func (p *places) load() dataplane.Room {
	return dataplane.Room{
		Used: p.taken.Load(), Limit: p.limit.Load(), Refused: p.refused.Load(),
		Own: p.own.Load(), Holding: p.queue.waiting.Load(),
	}
}

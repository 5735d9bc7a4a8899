package proxy

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// A population is a bounded set of what is being carried: connections or
// flows.
type population[T comparable] struct {
	limit int

	mu      sync.Mutex
	members map[T]struct{}
	empty   chan struct{} // closed when the last one leaves; nil if nobody waits
}

func newPopulation[T comparable](limit int) *population[T] {
	return &population[T]{limit: limit, members: map[T]struct{}{}}
}

// add reports whether there was room.
func (p *population[T]) add(m T) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.members) >= p.limit {
		return false
	}
	p.members[m] = struct{}{}
	return true
}

func (p *population[T]) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.members) >= p.limit
}

func (p *population[T]) remove(m T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.members, m)
	if len(p.members) == 0 && p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
}

// all returns who is there now.
func (p *population[T]) all() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.AppendSeq(make([]T, 0, len(p.members)), maps.Keys(p.members))
}

// wait returns when nobody is there, or with ctx's error.
func (p *population[T]) wait(ctx context.Context) error {
	select {
	case <-p.vacated():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *population[T]) vacated() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
	}
	vacated := p.empty
	if len(p.members) == 0 {
		close(p.empty)
		p.empty = nil
	}
	return vacated
}

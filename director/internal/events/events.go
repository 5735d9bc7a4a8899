// Package events keeps the latest events of a director for those who ask for them, or
// follow them.
package events

import (
	"context"
	"sync"
)

// A Ring holds the latest events, each with a number of its own. Its methods may be
// called from many goroutines at once, and none of them waits for a reader.
type Ring[E any] struct {
	number func(e *E, seq uint64)

	mu          sync.Mutex
	kept        []E // the latest is the last one, or the one before at once it is full
	at          int
	first, last uint64 // numbers, of all that there were
	// news is closed with the next event; nil while nobody waits for one.
	news chan struct{}
}

// New returns a ring of size events, the first of which has the number first, which is
// not 0. number gives an event its number.
func New[E any](size int, first uint64, number func(e *E, seq uint64)) *Ring[E] {
	return &Ring[E]{number: number, kept: make([]E, 0, size), first: first, last: first - 1}
}

// Add adds an event, in place of the oldest one if there are many, and returns its
// number: one more than that of the event before.
func (r *Ring[E]) Add(e E) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.number(&e, r.last)
	if len(r.kept) < cap(r.kept) {
		r.kept = append(r.kept, e)
	} else {
		r.kept[r.at] = e
		r.at = (r.at + 1) % len(r.kept)
	}
	if r.news != nil {
		close(r.news)
		r.news = nil
	}
	return r.last
}

// After returns the events with numbers above seq, oldest first, how many of those are
// lost, because there were too many since, and the number of the latest, from which on
// to ask or wait for more. A number that no event here has had, such as 0 or one of a
// ring before this one, asks for all that is kept.
func (r *Ring[E]) After(seq uint64) (found []E, lost, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.last - uint64(len(r.kept)) // the number before that of the oldest
	if seq < r.first || seq > r.last {
		seq = before
	}
	if seq < before {
		lost, seq = before-seq, before
	}
	found = make([]E, 0, r.last-seq)
	from := r.at + int(seq-before) // as if the ring were a line
	if end := len(r.kept); from < end {
		found, from = append(found, r.kept[from:]...), end
	}
	return append(found, r.kept[from-len(r.kept):r.at]...), lost, r.last
}

// Wait waits until there is an event with a number above seq, or for ctx, whose error it
// returns.
func (r *Ring[E]) Wait(ctx context.Context, seq uint64) error {
	for {
		r.mu.Lock()
		if r.last > seq {
			r.mu.Unlock()
			return nil
		}
		if r.news == nil {
			r.news = make(chan struct{})
		}
		news := r.news
		r.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

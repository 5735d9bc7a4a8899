package screen

import (
	"container/heap"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// maxSources bounds the remembered sources of one service. At the bound, a source is
// forgotten that has no connections and is the first to have its whole rate again,
// which is harmless if it has. A throttled source goes last. If all of them have
// connections a new one is not admitted.
const maxSources = 1 << 18

// A Source is a prefix that clients come from.
type Source struct {
	of     *sources
	prefix netip.Prefix
	conns  int
	// full is the time at which the source has its whole rate again: the
	// theoretical arrival time of the generic cell rate algorithm, ITU-T I.371.
	full time.Time
	// place is its index among the sources without connections, none if it has
	// some.
	place int
}

const none = -1

// sources are those that have connections, or not their whole rate.
type sources struct {
	forgotten atomic.Uint64
	most      int // 0: maxSources

	mu   sync.Mutex
	all  map[netip.Prefix]*Source
	idle byFull
}

func (t *sources) admit(p netip.Prefix, l Limits) (*Source, Verdict) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(p, now)
	if s == nil || l.Conns > 0 && s.conns >= l.Conns {
		return nil, Throttled
	}
	if !s.spend(l, now) {
		return nil, Throttled
	}
	if s.place != none {
		heap.Remove(&t.idle, s.place)
	}
	s.conns++
	return s, Admitted
}

// spend takes one connection of the rate, if there is one left. A rate of N in a
// time means one in every Nth part of it, up to N of which may be saved up.
func (s *Source) spend(l Limits, now time.Time) bool {
	if l.Rate.Count <= 0 {
		return true
	}
	full := s.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.Rate.Per / time.Duration(l.Rate.Count))
	if full.Sub(now) > l.Rate.Per {
		return false
	}
	s.full = full
	return true
}

// find returns a source, a new one if it was not known; nil if there is no room. A
// new one is not in the heap yet, because it is always admitted.
func (t *sources) find(p netip.Prefix, now time.Time) *Source {
	if s := t.all[p]; s != nil {
		return s
	}
	if len(t.all) >= t.limit() && !t.forget(now) {
		return nil
	}
	if t.all == nil {
		t.all = map[netip.Prefix]*Source{}
	}
	s := &Source{of: t, prefix: p, place: none}
	t.all[p] = s
	return s
}

func (t *sources) limit() int {
	if t.most > 0 {
		return t.most
	}
	return maxSources
}

// forget makes room, if there is a source without connections.
func (t *sources) forget(now time.Time) bool {
	if len(t.idle) == 0 {
		return false
	}
	s := heap.Pop(&t.idle).(*Source)
	delete(t.all, s.prefix)
	if s.full.After(now) {
		t.forgotten.Add(1)
	}
	return true
}

// adapt shortens waits that are longer than the new rate allows. That keeps the
// order of the heap.
func (t *sources) adapt(l Limits) {
	latest := time.Now().Add(l.Rate.Per)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		if s.full.After(latest) {
			s.full = latest
		}
	}
}

// Leave uncounts a client that Admit has counted. It does nothing on nil.
func (s *Source) Leave() {
	if s != nil {
		s.of.leave(s)
	}
}

func (t *sources) leave(s *Source) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.conns--; s.conns > 0 {
		return
	}
	if s.full.After(now) {
		heap.Push(&t.idle, s)
		return
	}
	delete(t.all, s.prefix)
}

// expireShare is the number of sources forgotten before the lock is released for others.
const expireShare = 1024

func (t *sources) expire() {
	for now := time.Now(); t.expireSome(now); {
	}
}

// expireSome reports whether there may be more.
func (t *sources) expireSome(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range expireShare {
		if len(t.idle) == 0 || t.idle[0].full.After(now) {
			return false
		}
		delete(t.all, heap.Pop(&t.idle).(*Source).prefix)
	}
	return true
}

func (t *sources) count() (known, having int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		having += s.conns
	}
	return len(t.all), having
}

// byFull is a heap of the sources without connections. The first to have its whole
// rate again is on top.
type byFull []*Source

// Len implements heap.Interface.
func (h byFull) Len() int { return len(h) }

// Less implements heap.Interface.
func (h byFull) Less(i, j int) bool { return h[i].full.Before(h[j].full) }

// Swap implements heap.Interface.
func (h byFull) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *byFull) Push(x any) {
	s := x.(*Source)
	s.place = len(*h)
	*h = append(*h, s)
}

// Pop implements heap.Interface.
func (h *byFull) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.place = none
	return s
}

package stream

import (
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// spareStashes are kept for the next slow reader.
const spareStashes = 64

// stashes hold bytes that were read for a side that did not take all of them.
// Nothing more is read for that side then, so that a way needs one at most.
type stashes struct {
	buffers []*[engine.BufferSize]byte
	spare   []int32 // unused, with memory
	bare    []int32 // unused, without
}

// keep puts b into a stash and returns where.
func (s *stashes) keep(b []byte) int32 {
	at := s.take()
	copy(s.buffers[at][:], b)
	return at
}

func (s *stashes) take() int32 {
	if last := len(s.spare) - 1; last >= 0 {
		at := s.spare[last]
		s.spare = s.spare[:last]
		return at
	}
	if len(s.bare) == 0 {
		s.bare = append(s.bare, int32(len(s.buffers)))
		s.buffers = append(s.buffers, nil)
	}
	last := len(s.bare) - 1
	at := s.bare[last]
	s.bare = s.bare[:last]
	s.buffers[at] = new([engine.BufferSize]byte)
	return at
}

func (s *stashes) bytes(y *way) []byte { return s.buffers[y.stash][y.from : y.from+y.held] }

func (s *stashes) put(at int32) {
	if len(s.spare) < spareStashes {
		s.spare = append(s.spare, at)
		return
	}
	s.buffers[at] = nil
	s.bare = append(s.bare, at)
}

// A stashBound is how many stashes all workers may have.
type stashBound struct {
	limit, taken atomic.Int64
	refused      atomic.Uint64
}

func (b *stashBound) full() bool { return b.taken.Load() >= b.limit.Load() }

// load returns the usage in bytes.
func (b *stashBound) load() dataplane.Usage {
	return dataplane.Usage{
		Used: b.taken.Load() * engine.BufferSize, Limit: b.limit.Load() * engine.BufferSize, Refused: b.refused.Load(),
	}
}

// stash stores bytes that a way could not pass on. There may be a few stashes
// more than the bound, because the workers do not wait for each other.
func (rl *relay) stash(y *way, b []byte) {
	y.stash, y.from, y.held = rl.stashes.keep(b), 0, int32(len(b))
	rl.h.fwd.stashLimit.taken.Add(1)
}

// unstash gives the stash of a way back.
func (rl *relay) unstash(y *way) {
	rl.stashes.put(y.stash)
	rl.h.fwd.stashLimit.taken.Add(-1)
}

package dgram

import (
	"hash/maphash"
	"unsafe"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// An index finds flows by their origin. The hash has a seed, so that nobody can
// choose addresses that collide.
type index struct {
	seed  maphash.Seed
	heads []int32 // a power of two of them
	count int
}

func newIndex() index {
	x := index{seed: maphash.MakeSeed()}
	x.clear(64)
	return x
}

func (x *index) clear(size int) {
	x.heads = make([]int32, size)
	for i := range x.heads {
		x.heads[i] = engine.None
	}
}

func (x *index) hash(o *origin) uint32 {
	return uint32(maphash.Bytes(x.seed, (*[unsafe.Sizeof(*o)]byte)(unsafe.Pointer(o))[:]))
}

func (x *index) head(hash uint32) *int32 { return &x.heads[hash&uint32(len(x.heads)-1)] }

// lookup returns the next flow of an origin after another, the first one after nil.
func (s *flows) lookup(o *origin, after *flow) *flow {
	var hash uint32
	var i int32
	if after == nil {
		hash = s.index.hash(o)
		i = *s.index.head(hash)
	} else {
		hash, i = after.hash, after.chain
	}
	for i != engine.None {
		f := s.at(i)
		if f.hash == hash && f.origin == *o {
			return f
		}
		i = f.chain
	}
	return nil
}

// indexFlow adds a flow to the index.
func (s *flows) indexFlow(f *flow) {
	x := &s.index
	if x.count == len(x.heads) {
		s.growIndex()
	}
	f.hash = x.hash(&f.origin)
	head := x.head(f.hash)
	f.chain, *head = *head, f.index
	x.count++
}

// growIndex doubles the index.
func (s *flows) growIndex() {
	old := s.index.heads
	s.index.clear(2 * len(old))
	for _, i := range old {
		for i != engine.None {
			f := s.at(i)
			head := s.index.head(f.hash)
			i, f.chain, *head = f.chain, *head, i
		}
	}
}

// unindexFlow removes a flow from the index.
func (s *flows) unindexFlow(f *flow) {
	at := s.index.head(f.hash)
	for *at != f.index {
		at = &s.at(*at).chain
	}
	*at = f.chain
	s.index.count--
}

package engine

// A Ref names an object in a slot. When the object is gone the generation of the
// slot is another.
type Ref struct {
	Index int32
	Gen   uint32
}

// Slabs grow by ChunkSize. None is no index, no descriptor and no timer.
const (
	ChunkSize = 256
	None      = -1
)

// A Slab holds values of a type T without pointers, and for each its refs of type
// O, which may have some. The collector looks at refs alone. A slab grows by
// chunks, so that nothing is ever copied, and does not shrink.
type Slab[T, O any] struct {
	chunks []*[ChunkSize]T
	refs   []*[ChunkSize]O
	unused []int32
}

// At returns the object in a slot.
func (s *Slab[T, O]) At(i int32) *T { return &s.chunks[uint32(i)/ChunkSize][uint32(i)%ChunkSize] }

// RefsAt returns the pointers that belong to a slot.
func (s *Slab[T, O]) RefsAt(i int32) *O { return &s.refs[uint32(i)/ChunkSize][uint32(i)%ChunkSize] }

// Take returns the index of a free slot, whose contents are those of before.
func (s *Slab[T, O]) Take() int32 {
	if len(s.unused) == 0 {
		s.grow()
	}
	last := len(s.unused) - 1
	i := s.unused[last]
	s.unused = s.unused[:last]
	return i
}

// Put frees a slot, and clears its pointers.
func (s *Slab[T, O]) Put(i int32) {
	var nobody O
	*s.RefsAt(i) = nobody
	s.unused = append(s.unused, i)
}

func (s *Slab[T, O]) grow() {
	first := int32(len(s.chunks) * ChunkSize)
	s.chunks = append(s.chunks, new([ChunkSize]T))
	s.refs = append(s.refs, new([ChunkSize]O))
	for i := first + ChunkSize - 1; i >= first; i-- {
		s.unused = append(s.unused, i)
	}
}

// Size returns a number above every index.
func (s *Slab[T, O]) Size() int32 { return int32(len(s.chunks)) * ChunkSize }

// Used returns how many slots are taken.
func (s *Slab[T, O]) Used() int { return int(s.Size()) - len(s.unused) }

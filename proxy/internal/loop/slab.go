package loop

// A ref tells one connection from every other that there was.
type ref struct {
	index int32
	gen   uint32
}

const (
	chunkSize = 256
	none      = -1
)

// A slab holds things of one kind, T, that have no pointers, and for each its
// owner, O, which may have some. It grows by chunks, so that nothing is ever
// copied, and does not shrink.
type slab[T, O any] struct {
	chunks []*[chunkSize]T
	owners []*[chunkSize]O
	unused []int32
}

func (s *slab[T, O]) at(i int32) *T { return &s.chunks[uint32(i)/chunkSize][uint32(i)%chunkSize] }

func (s *slab[T, O]) ownerAt(i int32) *O { return &s.owners[uint32(i)/chunkSize][uint32(i)%chunkSize] }

// take returns the index of a slot, which holds what was left there.
func (s *slab[T, O]) take() int32 {
	if len(s.unused) == 0 {
		s.grow()
	}
	last := len(s.unused) - 1
	i := s.unused[last]
	s.unused = s.unused[:last]
	return i
}

func (s *slab[T, O]) put(i int32) {
	var nobody O
	*s.ownerAt(i) = nobody
	s.unused = append(s.unused, i)
}

func (s *slab[T, O]) grow() {
	first := int32(len(s.chunks) * chunkSize)
	s.chunks = append(s.chunks, new([chunkSize]T))
	s.owners = append(s.owners, new([chunkSize]O))
	for i := first + chunkSize - 1; i >= first; i-- {
		s.unused = append(s.unused, i)
	}
}

// size is above every index there is.
func (s *slab[T, O]) size() int32 { return int32(len(s.chunks)) * chunkSize }

// used returns how many slots are taken.
func (s *slab[T, O]) used() int { return int(s.size()) - len(s.unused) }

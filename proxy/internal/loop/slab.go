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

// A slab holds the connections of a worker. It grows by chunks, so that
// nothing is ever copied, and does not shrink.
type slab struct {
	conns  []*[chunkSize]conn
	owners []*[chunkSize]owner
	unused []int32
}

func (s *slab) at(i int32) *conn { return &s.conns[uint32(i)/chunkSize][uint32(i)%chunkSize] }

func (s *slab) owner(c *conn) *owner {
	return &s.owners[uint32(c.index)/chunkSize][uint32(c.index)%chunkSize]
}

// find returns the connection that r was made for, nil if it is over.
func (s *slab) find(r ref) *conn {
	if c := s.at(r.index); c.gen == r.gen && c.state != free {
		return c
	}
	return nil
}

func (c *conn) ref() ref { return ref{c.index, c.gen} }

// take returns a slot as new.
func (s *slab) take() *conn {
	if len(s.unused) == 0 {
		s.grow()
	}
	last := len(s.unused) - 1
	c := s.at(s.unused[last])
	s.unused = s.unused[:last]
	*c = conn{index: c.index, gen: c.gen + 1, state: connecting}
	c.sides[client].fd, c.sides[server].fd = none, none
	c.timer.slot = none
	return c
}

func (s *slab) put(c *conn) {
	*s.owner(c) = owner{}
	c.state = free
	s.unused = append(s.unused, c.index)
}

func (s *slab) grow() {
	first := int32(len(s.conns) * chunkSize)
	s.conns = append(s.conns, new([chunkSize]conn))
	s.owners = append(s.owners, new([chunkSize]owner))
	for i := first + chunkSize - 1; i >= first; i-- {
		s.at(i).index = i
		s.unused = append(s.unused, i)
	}
}

// all calls f with every connection there is. f may end it.
func (s *slab) all(f func(*conn)) {
	for _, chunk := range s.conns {
		for i := range chunk {
			if chunk[i].state != free {
				f(&chunk[i])
			}
		}
	}
}

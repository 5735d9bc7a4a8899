package loop

// bufferSize is how much is read at a time.
const bufferSize = 64 << 10

// spareStashes are kept for the next slow reader.
const spareStashes = 64

// stashes hold what was read for a side that did not take all of it. Nothing
// more is read for that side then, so that one is enough for each way.
type stashes struct {
	buffers []*[bufferSize]byte
	unused  []int32
	spare   int // of the unused, those that have memory
}

// keep puts b into a stash and returns where.
func (s *stashes) keep(b []byte) int32 {
	if len(s.unused) == 0 {
		s.unused = append(s.unused, int32(len(s.buffers)))
		s.buffers = append(s.buffers, nil)
	}
	last := len(s.unused) - 1
	at := s.unused[last]
	s.unused = s.unused[:last]
	if s.buffers[at] == nil {
		s.buffers[at] = new([bufferSize]byte)
	} else {
		s.spare--
	}
	copy(s.buffers[at][:], b)
	return at
}

func (s *stashes) bytes(y *way) []byte { return s.buffers[y.stash][y.from : y.from+y.held] }

func (s *stashes) put(at int32) {
	if s.spare >= spareStashes {
		s.buffers[at] = nil
	} else {
		s.spare++
	}
	s.unused = append(s.unused, at)
}

package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// The sides of a connection. A way has the index of the side that its bytes come
// from.
const (
	client = iota
	server
)

// A state is a stage in the life of a connection.
type state uint8

const (
	free           state = iota // the slot holds none
	awaitingHeader              // the PROXY header of a trusted proxy is read
	waiting                     // for a place at a real server
	connecting                  // to a real server
	relaying                    // both sides are connected
	resetting                   // one side was reset, the other has not taken all bytes
)

// A conn is one connection of a client. It holds no pointer, so that the collector
// has nothing to do however many there are; pointers are in its refs.
type conn struct {
	index      int32
	gen        uint32 // generation: differs from that of earlier connections in the slot
	state      state
	watched    bool   // the client's socket is among the events
	queued     bool   // there is there is more to relay than its share
	lasting    bool   // long enough for keepalives
	written    uint8  // writes to the real server, 2 for more
	ackAsked   bool   // what the real server sends is not kept unacknowledged
	quickAcked bool   // acknowledged at once, and nothing has come since
	stall      uint8  // ticks in which a side has taken none of its bytes
	named      bool   // a trusted proxy has named the client, see handler.named
	failure    uint16 // errno of the latest attempt to reach a real server
	headerLeft uint8  // bytes of the PROXY header that the real server has not taken

	sides [2]side
	ways  [2]way

	last uint32 // tick in which something moved
	due  uint32 // tick at which connecting has taken too long
	left uint32 // bytes that the side opposite one that was reset had not taken
}

// A side is one of the two sockets.
type side struct {
	fd       int32
	readable bool // there may be something to read
	writable bool // there may be room to write
	ending   bool // something may be left after a short read
	eof      bool // nothing more comes
	broken   bool // reset, or timed out
}

// A way relays the bytes from one side to the other.
type way struct {
	held        int32  // bytes read and not yet written, in the pipe or the stash
	stash       int32  // their stash, if they are not in the pipe
	from        int32  // where in the stash they begin
	pipe        pipe   // the zero value if there is none
	full        uint8  // buffers filled in a row
	copy        bool   // its sockets do not splice
	endPassed   bool   // the end has been passed on
	lowWater    bool   // an event comes with lowWaterSize at least
	lowWaterHit bool   // something has been spliced since the last look
	wake        uint32 // bytes since there was last nothing to read
	run         uint32 // bytes spliced towards lowWaterAfter
	bytes       uint64 // not yet added to the books
}

// A refs has the pointers of a connection.
type refs struct {
	service *Service
	source  *screen.Source // nil: it is not counted
	claim   table.Claim
}

// streams reports whether a way of c is spliced.
func (c *conn) streams() bool {
	return c.ways[client].full >= spliceAfter || c.ways[server].full >= spliceAfter
}

// ended reports whether all bytes of a side have been passed on, and its end has come.
func (c *conn) ended(from int) bool { return c.sides[from].eof && c.ways[from].held == 0 }

// socketEvents are the events that sockets of a connection are registered for, once.
const socketEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET

// conns are the connections of a worker.
type conns struct{ slots engine.Slab[conn, refs] }

func (s *conns) at(i int32) *conn { return s.slots.At(i) }

func (s *conns) refs(c *conn) *refs { return s.slots.RefsAt(c.index) }

// find returns the connection that r was made for, nil if it is over.
func (s *conns) find(r engine.Ref) *conn {
	if c := s.at(r.Index); c.gen == r.Gen && c.state != free {
		return c
	}
	return nil
}

func (c *conn) ref() engine.Ref { return engine.Ref{Index: c.index, Gen: c.gen} }

// take returns a connection in a free slot.
func (s *conns) take() *conn {
	i := s.slots.Take()
	c := s.at(i)
	*c = conn{index: i, gen: c.gen + 1, state: connecting}
	c.sides[client].fd, c.sides[server].fd = engine.None, engine.None
	return c
}

func (s *conns) put(c *conn) {
	c.state = free
	s.slots.Put(c.index)
}

// all calls f with every connection. f may end it.
func (s *conns) all(f func(*conn)) {
	for i := range s.slots.Size() {
		if c := s.at(i); c.state != free {
			f(c)
		}
	}
}

package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// The ways of a flow, named after their origin.
const (
	client = iota
	server
)

// A class is the progress of a flow. When there is no room the lowest class is
// evicted first: a client with a forged address gets no further than the second.
type class uint8

const (
	unanswered class = iota // no reply has come
	answered                // a reply has come
	assured                 // and the client has sent more since then
	classes
)

// An address is the address of a client as the kernel writes it, AF_INET or
// AF_INET6, the rest zero.
type address [unix.SizeofSockaddrInet6 / 4]uint32

func (a *address) family() uint16 { return *(*uint16)(unsafe.Pointer(a)) }

// size returns the length of the address for the kernel.
func (a *address) size() uint32 {
	if a.family() == unix.AF_INET {
		return unix.SizeofSockaddrInet4
	}
	return unix.SizeofSockaddrInet6
}

// An origin identifies the flows of a worker.
type origin struct {
	client address
	port   int32    // place of the service's socket
	via    int32    // the client that a trusted proxy names, in flows.named; 0 for none
	local  [16]byte // the address that the client sends to, if the service is on a wildcard
}

// A flow relays the datagrams of one client to one real server by a socket
// connected to it, and any number of replies back. It holds no pointer; those are
// in its refs.
type flow struct {
	origin origin
	index  int32
	gen    uint32
	fd     int32 // none: the slot holds no flow
	hash   uint32
	chain  int32 // the next of those with a similar hash

	// Its place among those of its class, by when something last moved.
	class        class
	newer, older int32
	last         uint32 // tick in which something moved

	// head and tail are its first and last datagram in the present batch.
	head, tail int8
	single     [2]bool // each way: datagrams cannot be sent as segments of one
	epoch      uint32  // of the service, when its real server was last looked at

	moved [2]traffic // each way, not yet in the books
}

// A traffic counts datagrams.
type traffic struct{ packets, bytes uint64 }

// A refs has the pointers of a flow.
type refs struct {
	port   *port
	source *screen.Source // nil: it is not counted
	claim  table.Claim
}

func (f *flow) ref() engine.Ref { return engine.Ref{Index: f.index, Gen: f.gen} }

// flows are the flows of a worker.
type flows struct {
	slots engine.Slab[flow, refs]
	named namedClients
	index index
}

func (s *flows) at(i int32) *flow { return s.slots.At(i) }

func (s *flows) refs(f *flow) *refs { return s.slots.RefsAt(f.index) }

// find returns the flow that r was made for, nil if it is over.
func (s *flows) find(r engine.Ref) *flow {
	if f := s.at(r.Index); f.gen == r.Gen && f.fd != engine.None {
		return f
	}
	return nil
}

// take returns a flow in a free slot. It is not in the index yet.
func (s *flows) take(o *origin) *flow {
	i := s.slots.Take()
	f := s.at(i)
	s.named.hold(o.via)
	*f = flow{origin: *o, index: i, gen: f.gen + 1, fd: engine.None, head: engine.None, chain: engine.None, newer: engine.None, older: engine.None}
	return f
}

// put frees the slot of a flow, and gives back its place in the limits of its
// source.
func (s *flows) put(f *flow) {
	s.refs(f).source.Leave()
	s.named.release(f.origin.via)
	f.fd = engine.None
	s.slots.Put(f.index)
}

// count notes that datagrams have been passed on.
func (f *flow) count(way, packets, bytes int) {
	t := &f.moved[way]
	t.packets += uint64(packets)
	t.bytes += uint64(bytes)
}

// flowEvents are the events that the socket of a flow is registered for, once.
const flowEvents = unix.EPOLLIN | unix.EPOLLET

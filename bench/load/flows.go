package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A datagram's sequence number is its slot in the low bits, and above them the
// number of uses of the slot, by which late answers are recognized.
const (
	slotBits = 20
	slotMask = 1<<slotBits - 1
)

// flight is a slot for one datagram that awaits its answer.
type flight struct {
	sequence uint32
	target   int32
	began    int64
	under    bool
}

// flows performs operations over UDP. Flow n comes from address n%S and socket
// n/S, with S addresses, so that flows in turn share a batch.
type flows struct {
	l        *loop
	t        *tally
	self     int32
	trust    bool
	size     int
	answer   int
	sockets  []int32
	controls [][controlRoom]byte // by source, the address it is
	length   int                 // of each of them
	targets  []sockaddr
	slots    []flight
	idle     ring
	under    int
	flows    int
	flow     int // the next one
	turn     int // of targets

	in, out *batch
	pending [batchSize]int32 // slots of out
	n       int              // of them
	socket  int              // they leave by
}

func newFlows(l *loop, job Client, t *tally) (*flows, error) {
	w := &flows{
		l: l, t: t, trust: job.Trust, size: job.Request, answer: job.Answer, flows: job.Flows,
		slots: make([]flight, job.Connections), idle: newRing(job.Connections), in: newBatch(), out: newBatch(),
	}
	var from []sockaddr
	w.targets, from = endpoints(job)
	for i := range from {
		c, n := control(&from[i])
		w.controls, w.length = append(w.controls, c), n
	}
	if w.flows == 0 {
		w.flows = job.Connections
	}
	w.self = l.register(w)
	return w, w.open(job)
}

// open opens as many sockets as the flows take.
func (w *flows) open(job Client) error {
	addresses := max(1, len(w.controls))
	for range (w.flows + addresses - 1) / addresses {
		fd, errno := socket(family(job.Targets[0].Addr()), unix.SOCK_DGRAM)
		if errno != 0 {
			return fmt.Errorf("open socket %d of the flows: %w", len(w.sockets)+1, errno)
		}
		w.sockets = append(w.sockets, fd)
		buffer := job.Buffer
		if buffer == 0 {
			buffer = udpBuffer
		}
		setBuffers(fd, buffer)
		local := newSockaddr(netip.AddrPortFrom(unspecified(job.Targets[0].Addr()), 0))
		if errno = bind(fd, &local); errno == 0 {
			errno = w.l.watch(fd, w.self, int32(len(w.sockets)-1))
		}
		if errno != 0 {
			return fmt.Errorf("take port %d of the flows: %w", len(w.sockets), errno)
		}
	}
	return nil
}

func (w *flows) tick(int64) int64 { return never }

func (w *flows) free() int { return w.idle.n }

func (w *flows) busy() int { return w.under }

func (w *flows) established() int { return 0 }

func (w *flows) begin(began int64) bool {
	addresses := max(1, len(w.controls))
	if socket := w.flow / addresses; w.n == batchSize || socket != w.socket {
		w.flush()
		w.socket = socket
	}
	i := w.idle.pop()
	s := &w.slots[i]
	s.sequence = (s.sequence&^slotMask + 1<<slotBits) | uint32(i)
	s.began, s.target, s.under = began, int32(w.turn), true
	w.under++
	w.compose(w.n, s, w.flow%addresses)
	w.pending[w.n] = i
	w.n++
	w.flow = next(w.flow, w.flows)
	w.turn = next(w.turn, len(w.targets))
	return true
}

func next(i, n int) int {
	if i++; i == n {
		return 0
	}
	return i
}

// compose writes the request of a slot into datagram n of the batch.
func (w *flows) compose(n int, s *flight, source int) {
	h := &w.out.msgs[n].hdr
	b := AppendRequest(w.out.buffer(n), s.sequence, w.size, w.answer)
	h.Iov.Len = uint64(len(b))
	to := &w.targets[s.target]
	h.Name, h.Namelen = &to.raw[0], to.len
	if len(w.controls) > 0 {
		h.Control, h.Controllen = &w.controls[source][0], uint64(w.length)
	} else {
		h.Controllen = 0
	}
}

func (w *flows) flush() {
	if w.n == 0 {
		return
	}
	n := w.n
	w.n = 0
	sent := w.out.send(w.sockets[w.socket], n, func(i int, errno unix.Errno) {
		w.fail(w.pending[i], because(sending, errno))
	})
	w.t.carried(sent*w.size, 0)
}

func (w *flows) ready(socket int32, events uint32) {
	if events == unix.EPOLLOUT {
		return
	}
	for range budget {
		n, errno := w.in.receive(w.sockets[socket])
		if errno != 0 && errno != unix.EAGAIN {
			w.t.unexpected(because(receiving, errno))
			continue
		}
		for i := range n {
			w.arrive(w.in.data(i), &w.in.peers[i])
		}
		if n < batchSize {
			return
		}
	}
	w.l.again(w.self, socket, events)
}

// arrive handles an answer.
func (w *flows) arrive(b []byte, from *sockaddr) {
	w.t.carried(0, len(b))
	if len(b) < MinAnswer {
		w.t.unexpected(notAnAnswer)
		return
	}
	sequence := binary.BigEndian.Uint32(b[4:])
	i := int32(sequence & slotMask)
	if int(i) >= len(w.slots) || !w.slots[i].under || w.slots[i].sequence != sequence {
		w.t.unexpected(secondAnswer)
		return
	}
	s := &w.slots[i]
	if !w.targets[s.target].same(from) {
		w.t.unexpected(wrongAddress) // the right one may still come
		return
	}
	var number uint16
	f := checkAnswer(b, sequence, 0, &number, w.trust)
	switch {
	case f == noFault && len(b) < w.answer:
		f = closedWithin
	case f == noFault && len(b) > w.answer:
		f = tooMuch
	}
	if f != noFault {
		w.fail(i, f)
		return
	}
	w.t.good(s.began, w.l.now(), number)
	w.end(i)
}

func (w *flows) fail(i int32, f fault) {
	w.t.bad(w.slots[i].began, w.l.now(), f)
	w.end(i)
}

func (w *flows) end(i int32) {
	w.slots[i].under = false
	w.under--
	w.idle.push(i)
}

func (w *flows) sweep(before, _ int64) {
	for i := range w.slots {
		if s := &w.slots[i]; s.under && s.began <= before {
			w.fail(int32(i), lostDatagram)
		}
	}
}

func (w *flows) close() {
	for _, fd := range w.sockets {
		closeDescriptor(fd)
	}
	w.sockets = nil
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

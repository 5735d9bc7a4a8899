package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// maxSegments and maxRun bound a run that the kernel gets as one message. Newer
	// kernels would take 128 segments, and as much as one datagram of IPv6.
	maxSegments = 64
	maxRun      = 65535 - 8 - 40
)

// A sendBatch has the datagrams to send through one socket: to the real server of a
// flow, or from a service to its clients. Runs of one flow with datagrams of one
// size are one message each.
type sendBatch struct {
	fd     int32
	way    int    // client for datagrams that clients have sent
	plain  bool   // the kernel cannot split runs
	family uint16 // of the service, if its clients are to see an address other than the socket's
	parts  [batchSize]part
	n      int
	used   int // vectors
	passed int // bytes of the message that send has stopped at

	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
	controls [batchSize]control
	one      message // for a datagram that is sent alone
	piece    unix.Iovec
}

// A part is one message: a datagram, or a run of one flow.
type part struct {
	flow    *flow
	first   int // the datagram it begins with
	segment int // how long each of its datagrams is but the last; 0 is not known
	count   int
	bytes   int
	open    bool // more may follow
}

// add puts a datagram at the end, or a run of them that has arrived as one. It
// is the i-th of the batch.
func (p *sendBatch) add(f *flow, i int, b []byte, segment int) {
	if segment >= len(b) {
		segment = 0
	}
	if segment == 0 && p.extend(f, b) {
		return
	}
	k := p.n
	p.n++
	p.parts[k] = part{flow: f, first: i, segment: segment, bytes: len(b)}
	t := &p.parts[k]
	t.count = 1
	if segment > 0 {
		t.count = (len(b) + segment - 1) / segment
	}
	t.open = segment == 0 && len(b) > 0 && !p.plain && !f.single[p.way]
	p.messages[k].header.Iov = &p.vectors[p.used]
	p.messages[k].header.SetIovlen(1)
	p.put(b)
}

// put adds a vector.
func (p *sendBatch) put(b []byte) {
	v := &p.vectors[p.used]
	p.used++
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}

// extend makes b part of the run at the end, if it fits there.
func (p *sendBatch) extend(f *flow, b []byte) bool {
	if p.n == 0 {
		return false
	}
	t := &p.parts[p.n-1]
	size := t.bytes // of a single one
	if t.count > 1 {
		size = t.segment
	}
	if !t.open || t.flow != f || len(b) == 0 || len(b) > size || t.bytes+len(b) > maxRun || t.count == maxSegments {
		return false
	}
	t.segment = size
	t.count++
	t.bytes += len(b)
	t.open = len(b) == size
	p.messages[p.n-1].header.SetIovlen(t.count)
	p.put(b)
	return true
}

// send sends everything. It stops when the real server is unreachable, and then
// returns the datagram at which it has stopped, and the error. If that datagram
// begins a run, a part of the run may have been sent.
func (p *sendBatch) send() (stopped int, why unix.Errno) {
	for k := range p.n {
		p.address(k)
	}
	p.passed = 0
	short, old := false, engine.None
	for k := 0; k < p.n && why == 0; k++ {
		if p.apart(k) {
			stopped, why = p.parts[k].first, p.split(k)
			continue
		}
		end := p.upTo(k)
		if short {
			// The kernel reports the error that has stopped the last messages
			// only once. If the real server is unreachable, sending again reports
			// it.
			end = k + 1
		}
		n, e := sendmmsg(p.fd, p.messages[k:end])
		short = k+n < end
		for i := range n {
			t := &p.parts[k+i]
			t.flow.count(p.way, t.count, t.bytes)
		}
		if k += n; e == 0 || e == unix.EINTR {
			k-- // there is nothing to skip
		} else if p.way == client && unreachable(e) {
			stopped, why = p.parts[k].first, e
		} else if p.parts[k].count > 1 && e != unix.EAGAIN {
			p.parts[k].flow.single[p.way] = true
			stopped, why = p.parts[k].first, p.split(k)
		} else if stale(e) && old != k {
			old = k
			k--
		} // else it is lost, as datagrams are
	}
	p.n, p.used = 0, 0
	return stopped, why
}

// apart reports whether a message is a run that has to be sent one by one.
func (p *sendBatch) apart(k int) bool { return p.parts[k].count > 1 && p.parts[k].flow.single[p.way] }

// upTo returns the end of the messages from k on that can be sent together.
func (p *sendBatch) upTo(k int) int {
	for k++; k < p.n && !p.apart(k); k++ {
	}
	return k
}

// address completes a message with its address.
func (p *sendBatch) address(k int) {
	t, h := &p.parts[k], &p.messages[k].header
	n := 0
	h.Name, h.Namelen = nil, 0
	if p.way == server {
		o := &t.flow.origin
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.client)), o.client.size()
		if p.family != 0 && o.local != [16]byte{} {
			n = p.controls[k].from(p.family, &o.local)
		}
	}
	if t.count > 1 {
		n = p.controls[k].segments(n, uint16(t.segment))
	}
	h.Control = nil
	if n > 0 {
		h.Control = (*byte)(unsafe.Pointer(&p.controls[k]))
	}
	h.SetControllen(n)
}

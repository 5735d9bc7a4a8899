package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// split sends the datagrams of a run one by one: the kernel does not cut it up if
// one of them would have to be fragmented, or if the link computes no checksums.
// It stops when the real server is unreachable; passed is then the number of
// bytes sent before that.
func (p *sendBatch) split(k int) unix.Errno {
	t := &p.parts[k]
	p.one.header = p.messages[k].header
	h := &p.one.header
	n := int(h.Controllen) - unix.CmsgSpace(2) // the size of segments is the last
	h.SetControllen(n)
	if n == 0 {
		h.Control = nil
	}
	h.Iov = &p.piece
	h.SetIovlen(1)
	count, bytes, why := 0, 0, unix.Errno(0)
	for rest, v := t.bytes, p.vectorsOf(k); rest > 0; {
		size := min(t.segment, rest, int(v[0].Len))
		p.piece.Base = v[0].Base
		p.piece.SetLen(size)
		e := p.retrySend(h)
		if e == 0 {
			count++
			bytes += size
		} else if p.way == client && unreachable(e) {
			why, p.passed = e, t.bytes-rest
			break
		}
		rest -= size
		v = skip(v, size)
	}
	t.flow.count(p.way, count, bytes)
	return why
}

// retrySend sends one message, again if an error of an earlier one has stopped
// it.
func (p *sendBatch) retrySend(h *unix.Msghdr) unix.Errno {
	e := sendmsg(p.fd, h)
	for again := true; e == unix.EINTR || stale(e) && again; e = sendmsg(p.fd, h) {
		again = again && !stale(e)
	}
	return e
}

// vectorsOf returns the vectors of a message.
func (p *sendBatch) vectorsOf(k int) []unix.Iovec {
	h := &p.messages[k].header
	return unsafe.Slice(h.Iov, h.Iovlen)
}

// skip removes n bytes that have been sent.
func skip(v []unix.Iovec, n int) []unix.Iovec {
	if int(v[0].Len) == n {
		return v[1:]
	}
	v[0].Base = (*byte)(unsafe.Add(unsafe.Pointer(v[0].Base), n))
	v[0].SetLen(int(v[0].Len) - n)
	return v
}

package loop

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// split sends the datagrams of a run one by one: the kernel does not cut it up
// if one of them would have to be fragmented, or if the link computes no
// checksums.
func (p *post) split(k int) {
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
	count, bytes := 0, 0
	for rest, v := t.bytes, p.vectorsOf(k); rest > 0; {
		size := min(t.segment, rest, int(v[0].Len))
		p.piece.Base = v[0].Base
		p.piece.SetLen(size)
		if sendOne(p.fd, h) == 0 {
			count++
			bytes += size
		}
		rest -= size
		v = skip(v, size)
	}
	t.flow.count(p.way, count, bytes)
}

// vectorsOf returns what a message is made of.
func (p *post) vectorsOf(k int) []unix.Iovec {
	h := &p.messages[k].header
	return unsafe.Slice(h.Iov, h.Iovlen)
}

// skip leaves out what has been sent.
func skip(v []unix.Iovec, n int) []unix.Iovec {
	if int(v[0].Len) == n {
		return v[1:]
	}
	v[0].Base = (*byte)(unsafe.Add(unsafe.Pointer(v[0].Base), n))
	v[0].SetLen(int(v[0].Len) - n)
	return v
}

package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64
	// datagramRoom is more than any datagram, and no power of two: buffers at
	// such a distance would share few lines of the processor's cache.
	datagramRoom = 64<<10 + 192
	controlRoom  = 64
)

// A batch is as many datagrams as one system call carries, with the peer's
// address and, as a control message, the own address of each.
type batch struct {
	msgs     [batchSize]mmsghdr
	iovs     [batchSize]unix.Iovec
	peers    [batchSize]sockaddr
	controls [batchSize][controlRoom]byte
	room     []byte
	n        int // datagrams in use
}

func newBatch() *batch {
	b := &batch{room: make([]byte, batchSize*datagramRoom), n: batchSize}
	for i := range b.msgs {
		b.iovs[i].Base = &b.room[i*datagramRoom]
		h := &b.msgs[i].hdr
		h.Iov, h.Iovlen = &b.iovs[i], 1
		h.Name, h.Control = &b.peers[i].raw[0], &b.controls[i][0]
	}
	return b
}

// receive fills the batch and returns how many datagrams there were. Fewer
// than batchSize is all there are.
func (b *batch) receive(fd int32) (int, unix.Errno) {
	for i := range b.n {
		h := &b.msgs[i].hdr
		h.Iov.Len = datagramRoom
		h.Namelen = unix.SizeofSockaddrInet6
		h.Controllen = controlRoom
	}
	n, errno := recvmmsg(fd, b.msgs[:])
	if errno != 0 {
		n = 0
	}
	b.n = n
	return n, errno
}

// data returns the bytes of datagram i after receive.
func (b *batch) data(i int) []byte {
	return unsafe.Slice(b.msgs[i].hdr.Iov.Base, b.msgs[i].len)
}

// buffer returns the empty buffer of datagram i.
func (b *batch) buffer(i int) []byte {
	return unsafe.Slice(b.msgs[i].hdr.Iov.Base, datagramRoom)[:0]
}

// swap exchanges two datagrams.
func (b *batch) swap(i, j int) {
	if i != j {
		b.msgs[i], b.msgs[j] = b.msgs[j], b.msgs[i]
	}
}

// send sends the first n datagrams and calls failed for those the kernel
// refused. It returns how many went.
func (b *batch) send(fd int32, n int, failed func(i int, errno unix.Errno)) (sent int) {
	for at := 0; at < n; {
		k, errno := sendmmsg(fd, b.msgs[at:n])
		if errno != 0 {
			failed(at, errno)
			at++
			continue
		}
		at, sent = at+k, sent+k
	}
	return sent
}

// control returns the control message by which a datagram of this family
// comes from a, as IP_PKTINFO and IPV6_PKTINFO describe it.
func control(a *sockaddr) (c [controlRoom]byte, n int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c))
	data := c[unix.CmsgLen(0):]
	if a.len == unix.SizeofSockaddrInet4 {
		h.Level, h.Type = unix.SOL_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		copy(data[4:8], a.raw[4:8])
		return c, unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	h.Level, h.Type = unix.SOL_IPV6, unix.IPV6_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	copy(data[:16], a.raw[8:24])
	return c, unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

// anyInterface makes the control message of a datagram that came fit for its
// answer, which may have to leave by another interface.
func (b *batch) anyInterface(i int) {
	h := &b.msgs[i].hdr
	c := unsafe.Slice(h.Control, controlRoom)
	if h.Controllen < uint64(unix.CmsgLen(unix.SizeofInet4Pktinfo)) {
		h.Controllen = 0
		return
	}
	at := unix.CmsgLen(0) // ipi_ifindex comes first, ipi6_ifindex after the address
	if (*unix.Cmsghdr)(unsafe.Pointer(h.Control)).Level == unix.SOL_IPV6 {
		at += 16
	}
	clear(c[at : at+4])
}

package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// batchSize is the number of datagrams received at a time.
	batchSize = 64
	// stride sets buffers apart by a little more than their size, so that
	// their beginnings do not compete for the same lines of the cache.
	stride = engine.BufferSize + 192
)

// A message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	size   uint32
}

// A receiveBatch is a batch of received datagrams. Its buffers have room for the
// largest datagrams, and use as much memory as the largest ones received.
type receiveBatch struct {
	memory   []byte
	vectors  [batchSize]unix.Iovec
	messages [batchSize]message
	names    [batchSize]address
	controls [batchSize]control
	filled   int // with replies that have not been sent yet

	// Of requests: the next one of the same flow, and whether it has been tried
	// before.
	next  [batchSize]int8
	again [batchSize]bool
	runs  []int32 // the flows with datagrams in the batch
}

func newReceiveBatch() *receiveBatch {
	b := &receiveBatch{memory: make([]byte, batchSize*stride), runs: make([]int32, 0, 2*batchSize)}
	for i := range b.vectors {
		b.vectors[i].Base = &b.memory[i*stride]
		b.vectors[i].SetLen(engine.BufferSize)
		h := &b.messages[i].header
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
	}
	return b
}

// receive fills up to n buffers, beginning at from, and returns how many it has
// filled.
func (b *receiveBatch) receive(fd int32, from, n int, named bool) (int, unix.Errno) {
	for i := from; i < from+n; i++ {
		h := &b.messages[i].header
		h.Name, h.Namelen = nil, 0
		if named {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), uint32(unsafe.Sizeof(b.names[i]))
		}
		h.SetControllen(controlSize)
	}
	m, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[from])),
		uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(m), 0
}

// bytes returns the contents of a buffer.
func (b *receiveBatch) bytes(i int) []byte { return b.memory[i*stride:][:b.messages[i].size] }

// skip removes n bytes that have been passed on from a buffer.
func (b *receiveBatch) skip(i, n int) {
	if n > 0 {
		all := b.bytes(i)
		b.messages[i].size = uint32(copy(all, all[n:]))
	}
}

// control returns the destination of a datagram and the size of its segments, see
// [control.parse].
func (b *receiveBatch) control(i int) (local [16]byte, segment int) {
	n := int(b.messages[i].header.Controllen)
	if n == 0 {
		return local, 0
	}
	return b.controls[i].parse(n)
}

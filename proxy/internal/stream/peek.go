package stream

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// relayPeeked carries what there is without holding any of it: what the other side does
// not take stays in the socket that it comes from. That is for when there is no
// stash to be had, because it takes one call more than reading.
func (rl *relay) relayPeeked(c *conn, from int) {
	src, dst := &c.sides[from], &c.sides[1-from]
	n, e := peek(src.fd, &rl.worker.Buffer)
	if !rl.readResult(c, from, n, e) {
		return
	}
	rl.h.fwd.stashLimit.refused.Add(1)
	if sent := rl.write(c, from, n); sent < n {
		dst.writable = false
		src.consume(sent, &rl.worker.Buffer)
		return
	}
	rl.noteRead(c, from, n)
	src.consume(n, &rl.worker.Buffer)
}

// consume takes n bytes that have been passed on out of a side. If they cannot be
// taken they must not be passed on twice: the side counts as broken.
func (s *side) consume(n int, b *[engine.BufferSize]byte) {
	for n > 0 {
		m, e := discard(s.fd, b, n)
		if e != unix.EINTR && m <= 0 {
			s.eof, s.broken = true, true
			return
		}
		n -= max(m, 0)
	}
}

// peek is recv, and leaves everything where it is.
func peek(fd int32, b *[engine.BufferSize]byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(b)), engine.BufferSize, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
	return int(n), e
}

// discard takes up to n bytes out of a socket without copying them, see tcp(7).
func discard(fd int32, b *[engine.BufferSize]byte, n int) (int, unix.Errno) {
	m, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(b)), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	return int(m), e
}

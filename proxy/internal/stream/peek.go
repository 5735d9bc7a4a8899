package stream

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// relayPeeked relays bytes without storing any: those that the other side does not
// take stay in their socket. It is used when there is no free stash, because it
// takes one call more than reading.
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

// consume removes n bytes that have been passed on from a side's socket. If that
// fails the side counts as broken, because they must not be passed on twice.
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

// peek receives bytes and leaves them in the socket.
func peek(fd int32, b *[engine.BufferSize]byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(b)), engine.BufferSize, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
	return int(n), e
}

// discard removes up to n bytes from a socket without copying them, see tcp(7).
func discard(fd int32, b *[engine.BufferSize]byte, n int) (int, unix.Errno) {
	m, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(b)), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	return int(m), e
}

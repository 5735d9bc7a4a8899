package stream

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// recv reads what there is, up to the size of b.
func recv(fd int32, b *[engine.BufferSize]byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(b)), engine.BufferSize, unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// receive is recv into any memory, with flags.
func receive(fd int32, b []byte, flags int) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(unix.MSG_DONTWAIT|flags), 0, 0)
	return int(n), e
}

// splice moves up to n bytes between a pipe and a socket.
func splice(from, to int32, n int) (int, unix.Errno) {
	m, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0,
		uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return int(m), e
}

// accept takes the next connection of a listener.
func accept(fd int32, peer *engine.Sockaddr) (int32, unix.Errno) {
	peer.Size = unix.SizeofSockaddrAny
	n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&peer.Raw)),
		uintptr(unsafe.Pointer(&peer.Size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int32(n), e
}

// ready reports whether a listener has a connection to accept.
func ready(fd int32, p *unix.PollFd) bool {
	*p = unix.PollFd{Fd: fd, Events: unix.POLLIN}
	n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(p)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
	return e != 0 || n > 0
}

// atOnce is a timeout of zero.
var atOnce unix.Timespec

func peerOf(fd int32, peer *engine.Sockaddr) unix.Errno {
	peer.Size = unix.SizeofSockaddrAny
	_, _, e := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&peer.Raw)), uintptr(unsafe.Pointer(&peer.Size)))
	return e
}

func socket(family uint16) (int32, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family),
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	return int32(n), e
}

var abortive = unix.Linger{Onoff: 1}

// setAbortive makes the next close send RST instead of FIN.
func setAbortive(fd int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&abortive)), unsafe.Sizeof(abortive), 0)
}

// inlineUrgent leaves an urgent byte at its place in the stream.
func inlineUrgent(fd int32) { engine.SetOption(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, &engine.On) }

func shutdownWrite(fd int32) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

func makePipe(fds *[2]int32) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(fds)), unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return e
}

// unacknowledged returns how many written bytes the other side has not
// acknowledged.
func unacknowledged(fd int32, n *int32) int {
	if _, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(n))); e != 0 {
		return 0
	}
	return int(*n)
}

// socketError returns the error of connecting, 0 for none.
func socketError(fd int32, value *int32, size *uint32) unix.Errno {
	*value, *size = 0, 4
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(value)), uintptr(unsafe.Pointer(size)), 0)
	if e != 0 {
		return e
	}
	return unix.Errno(*value)
}

package engine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of this file never block, and are made without telling the
// scheduler of the Go runtime, which would cost more than some of them do. Memory
// that the kernel reads or writes is on the heap: a stack may move. All return -1
// with an error.

// Send writes as much of b as there is room for, and returns how much. It raises no
// SIGPIPE.
func Send(fd int32, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// Connect begins to connect a socket.
func Connect(fd int32, to *Sockaddr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.Raw)), uintptr(to.Size))
	return e
}

// The values of socket options that are on or off.
var (
	Off int32
	On  int32 = 1
)

// SetOption sets a socket option. It ignores errors, because nothing that it is
// used for is essential.
func SetOption(fd int32, level, option int, value *int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(value)), unsafe.Sizeof(*value), 0)
}

// CloseFD closes a descriptor.
func CloseFD(fd int32) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// NameOf stores the local address of a socket in name.
func NameOf(fd int32, name *Sockaddr) unix.Errno {
	name.Size = unix.SizeofSockaddrAny
	_, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&name.Raw)), uintptr(unsafe.Pointer(&name.Size)))
	return e
}

package loop

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kind of socket is how it is made, and what has to be done after bind for
// nobody else to fit beside it.
type kind struct {
	open  func(family uint16) (int32, unix.Errno)
	claim func(fd int32) error
	// list is in which of the kernel's lists it is, and state what it has there
	// when it is claimed.
	list, state string
}

// stream listens: as long as it is only bound, that of somebody else fits
// beside it.
var stream = &kind{openStream, func(fd int32) error { return unix.Listen(int(fd), backlog) }, "tcp", "0A"}

// bind returns n sockets at addr, where nobody may be but, if they join, who
// shares it.
func bind(addr netip.AddrPort, n int, k *kind, join bool) ([]int32, error) {
	var fds []int32
	for i := range n {
		fd, err := bound(addr, k, join || i > 0)
		if err != nil {
			closeAll(fds)
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func closeAll(fds []int32) {
	for _, fd := range fds {
		closeFD(fd)
	}
}

// bound returns a socket at addr. The first one is there alone, so that an
// address which somebody has already is an error; it then shares the address
// with those that join it.
func bound(addr netip.AddrPort, k *kind, joins bool) (int32, error) {
	to := new(sockaddr)
	fd, e := k.open(to.set(addr))
	if e != 0 {
		return none, os.NewSyscallError("socket", e)
	}
	if joins {
		setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &on)
	}
	if err := place(fd, to, k); err != nil {
		closeFD(fd)
		return none, err
	}
	setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &on)
	return fd, nil
}

func place(fd int32, to *sockaddr, k *kind) error {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	if e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return os.NewSyscallError("listen", k.claim(fd))
}

// openStream makes a socket to listen at, with what has to be there before
// bind, and what the sockets of clients inherit.
func openStream(family uint16) (int32, unix.Errno) {
	fd, e := socket(family)
	if e != 0 {
		return none, e
	}
	setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, &on)
	foreign(fd, family)
	setOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, &on)
	inlineUrgent(fd)
	return fd, 0
}

// foreign lets a socket have an address that the host does not have by now,
// and one on all addresses leave those of IPv4 to others.
func foreign(fd int32, family uint16) {
	if family == unix.AF_INET6 {
		setOption(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, &on)
		setOption(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, &on)
	} else {
		setOption(fd, unix.SOL_IP, unix.IP_FREEBIND, &on)
	}
}

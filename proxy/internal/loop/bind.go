package loop

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bound returns a socket that listens at addr. The first one does so alone, so
// that an address at which somebody listens already is an error; it then
// shares the address with those that join it. It has to listen by then: as long
// as it is only bound, the first one of somebody else fits beside it.
func bound(addr netip.AddrPort, joins bool) (int32, error) {
	to := new(sockaddr)
	family := to.set(addr)
	fd, e := socket(family)
	if e != 0 {
		return none, os.NewSyscallError("socket", e)
	}
	prepare(fd, family)
	if joins {
		setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &on)
	}
	if err := listenAt(fd, to); err != nil {
		closeFD(fd)
		return none, err
	}
	setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &on)
	return fd, nil
}

func listenAt(fd int32, to *sockaddr) error {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	if e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return os.NewSyscallError("listen", unix.Listen(int(fd), backlog))
}

// prepare sets what has to be there before bind, and what the sockets of
// clients inherit.
func prepare(fd int32, family uint16) {
	setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, &on)
	if family == unix.AF_INET6 {
		setOption(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, &on)
		setOption(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, &on)
	} else {
		setOption(fd, unix.SOL_IP, unix.IP_FREEBIND, &on)
	}
	setOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, &on)
	inlineUrgent(fd)
	keepAlive(fd)
}

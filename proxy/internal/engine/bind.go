package engine

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Kind says how a socket is made, and what has to be done after bind so that
// nobody else can bind the address.
type Kind struct {
	Open  func(family uint16) (int32, unix.Errno)
	Claim func(fd int32) error
	// List is in which of the kernel's lists it is, and State what it has there
	// when it is claimed. First says that such sockets come before others there.
	List, State string
	First       bool
}

// Bind returns n sockets at addr, where nobody may be but, if they join, who
// shares it.
func Bind(addr netip.AddrPort, n int, k *Kind, join bool) ([]int32, error) {
	var fds []int32
	for i := range n {
		fd, err := Bound(addr, k, join || i > 0)
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
		CloseFD(fd)
	}
}

// Bound returns a socket at addr. The first one is there alone, so that an
// address which somebody has already is an error; it then shares the address
// with those that join it.
func Bound(addr netip.AddrPort, k *Kind, joins bool) (int32, error) {
	to := new(Sockaddr)
	fd, e := k.Open(to.Set(addr))
	if e != 0 {
		return None, os.NewSyscallError("socket", e)
	}
	if joins {
		SetOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &On)
	}
	if err := bindTo(fd, to, k); err != nil {
		CloseFD(fd)
		return None, err
	}
	SetOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, &On)
	return fd, nil
}

func bindTo(fd int32, to *Sockaddr, k *Kind) error {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.Raw)), uintptr(to.Size))
	if e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return os.NewSyscallError("listen", k.Claim(fd))
}

// FreeBind lets a socket bind an address that the host does not have yet, and
// keeps a socket on all IPv6 addresses from those of IPv4.
func FreeBind(fd int32, family uint16) {
	if family == unix.AF_INET6 {
		SetOption(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, &On)
		SetOption(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, &On)
	} else {
		SetOption(fd, unix.SOL_IP, unix.IP_FREEBIND, &On)
	}
}

package engine

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Kind describes how to make a socket, and how to claim its address after bind
// so that no other program can bind it.
type Kind struct {
	Open  func(family uint16) (int32, unix.Errno)
	Claim func(fd int32) error
	// List is the kernel's list that has the socket, and State its state there
	// when the address is claimed. First reports that such sockets come before
	// others there.
	List, State string
	First       bool
}

// Bind returns n sockets at addr. No other socket may be bound there, unless join
// is true and it shares the address.
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

// Bound returns a socket at addr. The first one does not share the address until
// it is bound, so that an address in use is an error. Later ones join it.
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

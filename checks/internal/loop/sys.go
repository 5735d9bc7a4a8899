package loop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of this file never block, and are made without telling the
// scheduler of the Go runtime, which would cost more than some of them do. Memory
// that the kernel reads or writes is on the heap: a stack may move.

// A sockaddr is an address as the kernel knows it.
type sockaddr struct {
	raw  unix.RawSockaddrInet6
	size uint32
}

func (s *sockaddr) v4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
}

// set takes an address over, IPv4 within IPv6 as IPv4.
func (s *sockaddr) set(a netip.AddrPort) {
	addr := a.Addr().Unmap()
	s.raw = unix.RawSockaddrInet6{}
	if addr.Is4() {
		s.v4().Family, s.v4().Addr, s.size = unix.AF_INET, addr.As4(), unix.SizeofSockaddrInet4
	} else {
		s.raw.Family, s.raw.Addr, s.size = unix.AF_INET6, addr.As16(), unix.SizeofSockaddrInet6
		s.raw.Scope_id = scope(addr.Zone())
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.raw.Port))[:], a.Port())
}

// get returns the address, without its zone.
func (s *sockaddr) get() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.raw.Port))[:])
	if s.raw.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4(s.v4().Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(s.raw.Addr), port)
}

// scope returns the index of the link that a zone names.
func scope(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil || zone == "" {
		return uint32(n)
	}
	link, err := net.InterfaceByName(zone)
	if err != nil {
		return 0 // the kernel knows no such link either, and says so
	}
	return uint32(link.Index)
}

func socket(family uint16, kind int) (int32, unix.Errno) {
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), uintptr(kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), 0)
	return int32(fd), e
}

// connect begins to connect a socket.
func connect(fd int32, to *sockaddr) unix.Errno {
	for {
		_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
		if e != unix.EINTR {
			return e
		}
	}
}

// send writes what there is room for. There is no SIGPIPE.
func send(fd int32, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func receive(fd int32, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func shutdown(fd int32) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

func closeFD(fd int32) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// The values of socket options.
var (
	off    int32
	atOnce = unix.Linger{Onoff: 1}
)

// closeByReset has a close send a reset.
func closeByReset(fd int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&atOnce)), unsafe.Sizeof(atOnce), 0)
}

// delayACK leaves the acknowledgement that ends the handshake to what is sent
// next.
func delayACK(fd int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK,
		uintptr(unsafe.Pointer(&off)), unsafe.Sizeof(off), 0)
}

// An option is read into the heap.
type option struct{ value, size int32 }

// errorOf takes the error of a socket.
func (o *option) errorOf(fd int32) unix.Errno {
	o.value, o.size = 0, 4
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&o.value)), uintptr(unsafe.Pointer(&o.size)), 0)
	if e == 0 {
		e = unix.Errno(o.value)
	}
	return e
}

// nameOf asks for the address of a socket at this end.
func nameOf(fd int32, name *sockaddr) unix.Errno {
	name.size = unix.SizeofSockaddrInet6
	_, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&name.raw)), uintptr(unsafe.Pointer(&name.size)))
	return e
}

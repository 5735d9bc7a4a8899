package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sockaddr is an address as the kernel takes it.
type sockaddr struct {
	raw [unix.SizeofSockaddrInet6]byte
	len uint32
}

func newSockaddr(a netip.AddrPort) (s sockaddr) {
	port := a.Port()
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET)
		binary.BigEndian.PutUint16(s.raw[2:], port)
		ip := a.Addr().As4()
		copy(s.raw[4:], ip[:])
		s.len = unix.SizeofSockaddrInet4
		return s
	}
	binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET6)
	binary.BigEndian.PutUint16(s.raw[2:], port)
	ip := a.Addr().As16()
	copy(s.raw[8:], ip[:])
	s.len = unix.SizeofSockaddrInet6
	return s
}

// addrPort returns the address that fd is bound to.
func addrPort(fd int32) (netip.AddrPort, error) {
	var s sockaddr
	s.len = uint32(len(s.raw))
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&s.raw)),
		uintptr(unsafe.Pointer(&s.len)))
	if errno != 0 {
		return netip.AddrPort{}, fmt.Errorf("ask a socket for its address: %w", errno)
	}
	port := binary.BigEndian.Uint16(s.raw[2:])
	if binary.NativeEndian.Uint16(s.raw[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s.raw[4:8])), port), nil
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s.raw[8:24])), port), nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// endpoints returns where a client's operations go to and come from.
func endpoints(job Client) (targets, from []sockaddr) {
	for _, t := range job.Targets {
		targets = append(targets, newSockaddr(t))
	}
	for _, a := range sources(job.Sources) {
		from = append(from, newSockaddr(netip.AddrPortFrom(a, 0)))
	}
	return targets, from
}

// same reports whether two addresses are the same one and the same port.
func (s *sockaddr) same(o *sockaddr) bool {
	if s.len == unix.SizeofSockaddrInet4 {
		return [6]byte(s.raw[2:]) == [6]byte(o.raw[2:])
	}
	return [2]byte(s.raw[2:]) == [2]byte(o.raw[2:]) && [16]byte(s.raw[8:]) == [16]byte(o.raw[8:])
}

// maxSources bounds the table of source addresses.
const maxSources = 1 << 20

// sources returns all addresses of the prefixes, taking one of each in turn,
// so that few operations come from all of them too.
func sources(prefixes []netip.Prefix) []netip.Addr {
	next := make([]netip.Addr, len(prefixes))
	for i, p := range prefixes {
		next[i] = p.Masked().Addr()
	}
	var all []netip.Addr
	for more := true; more && len(all) < maxSources; {
		more = false
		for i, p := range prefixes {
			if p.Contains(next[i]) {
				all, next[i], more = append(all, next[i]), next[i].Next(), true
			}
		}
	}
	return all
}

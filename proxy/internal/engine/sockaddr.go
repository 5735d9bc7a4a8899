package engine

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Sockaddr is an address as the kernel reads and writes it.
type Sockaddr struct {
	Raw  unix.RawSockaddrAny
	Size uint32
}

func (s *Sockaddr) v4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.Raw))
}

func (s *Sockaddr) v6() *unix.RawSockaddrInet6 {
	return (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.Raw))
}

// Set stores an address, IPv4 within IPv6 as IPv4, and returns its family.
func (s *Sockaddr) Set(a netip.AddrPort) uint16 {
	addr := a.Addr().Unmap()
	s.Raw = unix.RawSockaddrAny{}
	if addr.Is4() {
		s.v4().Addr = addr.As4()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.v4().Port))[:], a.Port())
		s.Raw.Addr.Family, s.Size = unix.AF_INET, unix.SizeofSockaddrInet4
	} else {
		s.v6().Addr = addr.As16()
		s.v6().Scope_id = scope(addr.Zone())
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.v6().Port))[:], a.Port())
		s.Raw.Addr.Family, s.Size = unix.AF_INET6, unix.SizeofSockaddrInet6
	}
	return s.Raw.Addr.Family
}

// scope returns the index of the link that a zone names.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	link, err := net.InterfaceByName(zone)
	if err != nil {
		return 0 // the kernel knows no such link either, and says so
	}
	return uint32(link.Index)
}

// Addr returns the address, without its zone.
func (s *Sockaddr) Addr() netip.AddrPort {
	if s.Raw.Addr.Family == unix.AF_INET {
		port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.v4().Port))[:])
		return netip.AddrPortFrom(netip.AddrFrom4(s.v4().Addr), port)
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.v6().Port))[:])
	return netip.AddrPortFrom(netip.AddrFrom16(s.v6().Addr).Unmap(), port)
}

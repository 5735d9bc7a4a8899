package proxyheader

import (
	"encoding/binary"
	"net/netip"
)

// Parts of the two bytes behind the signature, section 2.2.
const (
	version2  = 0x20
	isLocal   = 0x0
	isProxied = 0x1

	unspec   = 0x0
	inet     = 0x1
	inet6    = 0x2
	unixName = 0x3

	stream   = 0x1
	datagram = 0x2
)

// Append2 appends the header of version 2 of a connection from source to dest,
// or with UDP of a datagram. They have to be valid.
func Append2(b []byte, source, dest netip.AddrPort, udp bool) []byte {
	source, dest = alike(source, dest)
	family, length, transport := byte(inet), uint16(len4), byte(stream)
	if !source.Addr().Is4() {
		family, length = inet6, len6
	}
	if udp {
		transport = datagram
	}
	b = append(b, signature2...)
	b = append(b, version2|isProxied, family<<4|transport)
	b = binary.BigEndian.AppendUint16(b, length)
	b = appendAddr(appendAddr(b, source.Addr()), dest.Addr())
	b = binary.BigEndian.AppendUint16(b, source.Port())
	return binary.BigEndian.AppendUint16(b, dest.Port())
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

// AppendLocal appends the header of version 2 that says that a connection is
// the sender's own: it asks after the health of who it goes to.
func AppendLocal(b []byte) []byte {
	b = append(b, signature2...)
	return append(b, version2|isLocal, unspec, 0, 0)
}

func parse2(b []byte) (Header, int, error) {
	if len(b) < fixedLen {
		// A header that is malformed already is not waited for.
		if len(b) > len(signature2) && !known(b[len(signature2)]) {
			return Header{}, 0, ErrMalformed
		}
		return Header{}, 0, ErrShort
	}
	n := fixedLen + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case !known(b[12]) || n > MaxLen:
		return Header{}, 0, ErrMalformed
	case len(b) < n:
		return Header{}, 0, ErrShort
	}
	if b[12]&0xf == isLocal {
		return Header{}, n, nil // all of the rest is to be ignored
	}
	h, ok := addresses(b[13], b[fixedLen:n])
	if !ok {
		return Header{}, 0, ErrMalformed
	}
	return h, n, nil
}

// known reports whether version and command are.
func known(b byte) bool { return b == version2|isLocal || b == version2|isProxied }

// addresses reads what a family and transport are followed by. Those that are
// not assigned are to be refused.
func addresses(kind byte, b []byte) (h Header, ok bool) {
	family, transport := kind>>4, kind&0xf
	if transport > datagram {
		return h, false
	}
	h.Datagram = transport == datagram
	switch {
	case family == unspec || family == unixName || family <= unixName && transport == unspec:
		return Header{}, true
	case family == inet && len(b) >= len4:
		h.Source = pair(netip.AddrFrom4([4]byte(b)), b[8:])
		h.Dest = pair(netip.AddrFrom4([4]byte(b[4:])), b[10:])
	case family == inet6 && len(b) >= len6:
		h.Source = pair(netip.AddrFrom16([16]byte(b)), b[32:])
		h.Dest = pair(netip.AddrFrom16([16]byte(b[16:])), b[34:])
	default:
		return h, false
	}
	return h, true
}

func pair(a netip.Addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

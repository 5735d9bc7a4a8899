package proxyheader

import (
	"errors"
	"net/netip"
)

// A Header says who a connection or a datagram comes from and where it was
// sent to.
type Header struct {
	// Source and Dest are both the zero value where nobody is named (LOCAL,
	// UNKNOWN, UNSPEC, or a Unix socket): then the connection that the header
	// came by says who it is. IPv4 within IPv6 has become IPv4.
	Source, Dest netip.AddrPort
	// Datagram says that the client speaks UDP; only version 2 does.
	Datagram bool
}

// Named reports whether the header names anybody.
func (h Header) Named() bool { return h.Source.IsValid() }

// MaxLen bounds the headers that are read, in bytes: addresses and a good deal
// of what version 2 may add to them. Those of a sender who is to be understood
// by everybody have no more than 536.
const MaxLen = 4096

const (
	maxLen1  = 107 // with CRLF, section 2.1
	fixedLen = 16  // of version 2, section 2.2
	len4     = 12  // of the addresses
	len6     = 36
)

// MaxWritten is the length of the longest header that is written, in bytes.
const MaxWritten = maxLen1

var (
	// ErrShort is what Parse returns for the beginning of a header.
	ErrShort = errors.New("the PROXY header is not complete")
	// ErrMalformed is what Parse returns for what no header begins with.
	ErrMalformed = errors.New("not a PROXY header")
)

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Parse reads the header at the beginning of b, of either version, and returns
// how long it is: what follows is the payload. Without one the error is
// ErrMalformed, or ErrShort as long as more bytes could make it one; b of
// MaxLen bytes is never too short.
func Parse(b []byte) (h Header, n int, err error) {
	if begins(b, signature2) {
		return parse2(b)
	}
	if begins(b, signature1) {
		return parse1(b)
	}
	return Header{}, 0, ErrMalformed
}

// ParseDatagram reads the header in front of a datagram, which is all there
// and of version 2: version 1 knows no datagrams.
func ParseDatagram(b []byte) (h Header, n int, err error) {
	if begins(b, signature2) {
		return parse2(b)
	}
	return Header{}, 0, ErrMalformed
}

// begins reports whether b begins with signature, as far as it goes.
func begins(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return string(b[:n]) == signature[:n]
}

// plain returns an address as a header can have it: without a link, IPv4 within
// IPv6 as IPv4.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// alike makes source and dest plain and of one family, which a header has to
// have: if need be both of IPv6.
func alike(source, dest netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
	source, dest = plain(source), plain(dest)
	if source.Addr().Is4() != dest.Addr().Is4() {
		source, dest = mapped(source), mapped(dest)
	}
	return source, dest
}

func mapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

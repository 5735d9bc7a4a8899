package proxyheader

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// Append1 appends the header of version 1 of a TCP connection from source to
// dest, which have to be valid.
func Append1(b []byte, source, dest netip.AddrPort) []byte {
	source, dest = alike(source, dest)
	b = append(b, signature1...)
	if source.Addr().Is4() {
		b = append(b, "TCP4 "...)
	} else {
		b = append(b, "TCP6 "...)
	}
	b = append(source.Addr().AppendTo(b), ' ')
	b = append(dest.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(source.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(dest.Port()), 10)
	return append(b, "\r\n"...)
}

// parse1 reads section 2.1: one line, single blanks, nothing left out.
func parse1(b []byte) (Header, int, error) {
	end := bytes.IndexByte(b[:min(len(b), maxLen1)], '\n')
	switch {
	case end < 0 && len(b) < maxLen1:
		return Header{}, 0, ErrShort
	case end < 1 || b[end-1] != '\r':
		return Header{}, 0, ErrMalformed
	}
	line := string(b[len(signature1) : end-1])
	if word, _, _ := strings.Cut(line, " "); word == "UNKNOWN" {
		return Header{}, end + 1, nil // whatever follows is to be ignored
	}
	fields := strings.Split(line, " ")
	if len(fields) != 5 {
		return Header{}, 0, ErrMalformed
	}
	source, sourceOK := addrPort(fields[0], fields[1], fields[3])
	dest, destOK := addrPort(fields[0], fields[2], fields[4])
	if !sourceOK || !destOK {
		return Header{}, 0, ErrMalformed
	}
	return Header{Source: source, Dest: dest}, end + 1, nil
}

// addrPort reads an address of a family with its port.
func addrPort(family, host, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	if family != "TCP4" && family != "TCP6" || addr.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port { // no sign, no zeros before it
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

package dataplane

import (
	"fmt"
	"strconv"
)

// TunnelType is the kind of header between the outer IP header and the client's
// packet, on the way to a real server that is reached by [IPIP].
type TunnelType uint8

// The tunnel types, with the words of the configuration.
const (
	TunnelIPIP TunnelType = iota // nothing: RFC 2003, RFC 2473, RFC 4213
	TunnelGUE                    // UDP and a GUE header: draft-ietf-intarea-gue
	TunnelGRE                    // a GRE header: RFC 2784
)

// String returns the word of the configuration: ipip, gue or gre.
func (t TunnelType) String() string {
	switch t {
	case TunnelIPIP:
		return "ipip"
	case TunnelGUE:
		return "gue"
	case TunnelGRE:
		return "gre"
	}
	return "tunnel(" + strconv.Itoa(int(t)) + ")"
}

// TunnelChecksum is the way in which the headers that a tunnel adds are
// protected.
type TunnelChecksum uint8

// The checksums of tunnels, with the words of the configuration.
const (
	ChecksumNo     TunnelChecksum = iota // none of its own
	ChecksumYes                          // in the UDP or GRE header
	ChecksumRemote                       // GUE alone: in UDP, and the real server computes the inner one
)

// String returns the word of the configuration: no, yes or remote.
func (c TunnelChecksum) String() string {
	switch c {
	case ChecksumNo:
		return "no"
	case ChecksumYes:
		return "yes"
	case ChecksumRemote:
		return "remote"
	}
	return "checksum(" + strconv.Itoa(int(c)) + ")"
}

// A Tunnel is the encapsulation of packets to a real server. The zero value is IP
// in IP. It is comparable.
type Tunnel struct {
	Type TunnelType
	// Port is the UDP port that the real server takes GUE on, above 0 with
	// TunnelGUE and 0 otherwise.
	Port uint16
	// Checksum is ChecksumNo with TunnelIPIP, and not ChecksumRemote with
	// TunnelGRE.
	Checksum TunnelChecksum
}

// String returns the tunnel in the words of the configuration: "ipip", "gre",
// "gue port 6080 checksum remote".
func (t Tunnel) String() string {
	s := t.Type.String()
	if t.Port != 0 {
		s += fmt.Sprintf(" port %d", t.Port)
	}
	if t.Checksum != ChecksumNo {
		s += " checksum " + t.Checksum.String()
	}
	return s
}

// Overhead returns how many bytes the tunnel puts around a packet; six: the outer
// header is of IPv6. A checksum that the real server computes may take more of
// some packets than of others: these are the most.
func (t Tunnel) Overhead(six bool) int {
	n := 20
	if six {
		n = 40
	}
	switch t.Type {
	case TunnelGUE:
		n += 8 + 4 // of UDP, and of GUE
		if t.Checksum == ChecksumRemote {
			n += 8 // flags and the places of checksum and data
		}
	case TunnelGRE:
		n += 4
		if t.Checksum == ChecksumYes {
			n += 4
		}
	}
	return n
}

package icmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// A family is how ICMP goes in IPv4 (RFC 792) or IPv6 (RFC 4443).
type family struct {
	name             string
	domain, protocol int
	request, reply   icmp.Type
	codes            []string // of destination unreachable
	// quoted reads the beginning of an echo request that a router sent back.
	quoted func(datagram []byte) (quote, bool)
	// filter keeps from a raw socket what no ping waits for.
	filter func(fd int) error
	shared sharedSocket
}

var (
	icmp4 = &family{
		name: "ICMP", domain: unix.AF_INET, protocol: unix.IPPROTO_ICMP,
		request: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply,
		codes: []string{
			0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
			4: "packet too big", 9: "network prohibited", 10: "host prohibited", 13: "prohibited by a filter",
		},
		quoted: quotedIPv4, filter: filterIPv4,
	}
	icmp6 = &family{
		name: "ICMPv6", domain: unix.AF_INET6, protocol: unix.IPPROTO_ICMPV6,
		request: ipv6.ICMPTypeEchoRequest, reply: ipv6.ICMPTypeEchoReply,
		codes: []string{
			0: "no route to host", 1: "prohibited by a filter", 2: "beyond the scope of the source address",
			3: "host unreachable", 4: "port unreachable", 5: "prohibited by an ingress filter", 6: "route rejected",
		},
		quoted: quotedIPv6, filter: filterIPv6,
	}
)

func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return icmp4
	}
	return icmp6
}

func (f *family) unreachable(code int) string {
	if code < len(f.codes) && f.codes[code] != "" {
		return f.codes[code]
	}
	return "destination unreachable (code " + strconv.Itoa(code) + ")"
}

func filterIPv4(fd int) error {
	pass := 1<<ipv4.ICMPTypeEchoReply | 1<<ipv4.ICMPTypeDestinationUnreachable | 1<<ipv4.ICMPTypeTimeExceeded
	return unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, int(^uint32(pass)))
}

func filterIPv6(fd int) error {
	var f ipv6.ICMPFilter
	f.SetAll(true)
	f.Accept(ipv6.ICMPTypeEchoReply)
	f.Accept(ipv6.ICMPTypeDestinationUnreachable)
	f.Accept(ipv6.ICMPTypeTimeExceeded)
	return unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &unix.ICMPv6Filter{Data: f.Data})
}

// A quote is what tells an echo request from others.
type quote struct {
	dst     netip.Addr
	id, seq uint16
}

// quotedIPv4 reads a quote of RFC 792: the IP header and 8 bytes or more.
func quotedIPv4(b []byte) (quote, bool) {
	if len(b) < ipv4.HeaderLen || b[0]>>4 != 4 || b[9] != unix.IPPROTO_ICMP {
		return quote{}, false
	}
	return request(afterIPv4(b), ipv4.ICMPTypeEcho, netip.AddrFrom4([4]byte(b[16:])))
}

// quotedIPv6 reads a quote of RFC 4443. Pings have no extension headers.
func quotedIPv6(b []byte) (quote, bool) {
	if len(b) < ipv6.HeaderLen || b[0]>>4 != 6 || b[6] != unix.IPPROTO_ICMPV6 {
		return quote{}, false
	}
	return request(b[ipv6.HeaderLen:], ipv6.ICMPTypeEchoRequest, netip.AddrFrom16([16]byte(b[24:])))
}

// request reads the first 8 bytes of an echo request: type, code, checksum,
// identifier, sequence number.
func request[T ~int](b []byte, kind T, dst netip.Addr) (quote, bool) {
	if len(b) < 8 || T(b[0]) != kind || b[1] != 0 {
		return quote{}, false
	}
	return quote{dst, binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])}, true
}

// afterIPv4 returns what is behind the IPv4 header, nothing if it is cut off.
func afterIPv4(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b[min(len(b), max(ipv4.HeaderLen, int(b[0]&0x0f)*4)):]
}

func sockaddr(a netip.Addr) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}, nil
	}
	to := &unix.SockaddrInet6{Addr: a.As16()}
	if a.Zone() == "" {
		return to, nil
	}
	link, err := net.InterfaceByName(a.Zone())
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err // without the name of the operation
	}
	if err != nil {
		return nil, fmt.Errorf("find the link %s: %w", a.Zone(), err)
	}
	to.ZoneId = uint32(link.Index)
	return to, nil
}

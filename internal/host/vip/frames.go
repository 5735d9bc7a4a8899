package vip

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/neighbor"
)

// A frame is a packet for all neighbours on a link, without the header of the
// link layer, which the kernel writes.
type frame struct {
	protocol uint16 // an Ethernet type
	to       net.HardwareAddr
	payload  []byte
}

// The fields of a neighbour advertisement, RFC 4861 section 4.4.
const (
	icmpAdvertisement = 136
	flagOverride      = 0x20
	optionTarget      = 2
)

var (
	broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	// allNodes is ff02::1, and its address in Ethernet by RFC 2464.
	allNodes    = netip.MustParseAddr("ff02::1")
	allNodesMAC = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

// announcement returns the frames by which neighbours learn that addr is at
// mac, which has 6 bytes. IPv4 takes two, with addr as sender and as target: some
// systems heed only requests, some only replies (RFC 5944, section 4.6).
func announcement(addr netip.Addr, mac net.HardwareAddr) []frame {
	if addr.Is6() {
		return []frame{{unix.ETH_P_IPV6, allNodesMAC, advertisement(addr, mac)}}
	}
	m := neighbor.MAC(mac)
	return []frame{
		{unix.ETH_P_ARP, broadcast, neighbor.ARP(neighbor.ARPRequest, m, addr, neighbor.MAC{}, addr)},
		{unix.ETH_P_ARP, broadcast, neighbor.ARP(neighbor.ARPReply, m, addr, m, addr)},
	}
}

// advertisement returns an IPv6 packet with an unsolicited neighbour
// advertisement that replaces what neighbours know (RFC 4861, section 7.2.6).
func advertisement(addr netip.Addr, mac net.HardwareAddr) []byte {
	icmp := []byte{icmpAdvertisement, 0, 0, 0, flagOverride, 0, 0, 0}
	icmp = append(icmp, addr.AsSlice()...)
	icmp = append(icmp, optionTarget, 1)
	icmp = append(icmp, mac...)

	ip := []byte{6 << 4, 0, 0, 0}
	ip = binary.BigEndian.AppendUint16(ip, uint16(len(icmp)))
	ip = append(ip, unix.IPPROTO_ICMPV6, 255) // another hop limit is discarded
	ip = append(ip, addr.AsSlice()...)
	ip = append(ip, allNodes.AsSlice()...)
	binary.BigEndian.PutUint16(icmp[2:], checksum(ip, icmp))
	return append(ip, icmp...)
}

// checksum returns the checksum of RFC 4443 section 2.3: over both addresses of
// the IPv6 header ip, length, protocol and message.
func checksum(ip, icmp []byte) uint16 {
	sum := uint32(len(icmp)) + unix.IPPROTO_ICMPV6
	for _, part := range [][]byte{ip[8:40], icmp} {
		for i := 0; i < len(part); i += 2 { // both have even lengths
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

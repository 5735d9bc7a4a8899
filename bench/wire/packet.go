package wire

import (
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// A packet is a captured frame of the service, parsed.
type packet struct {
	frame
	tap  *tap
	eth  [2]mac // destination, source
	path tunnel // the packet around this one, if there is one

	src, dst netip.AddrPort
	proto    uint8
	ttl, tos uint8
	id       uint16 // IPv4
	seq, ack uint32
	flags    uint8
	size     int    // of the payload, on the wire
	payload  []byte // as much of it as was kept
	sums     verdict
}

type mac [6]byte

// A tunnel is the outer header of an encapsulated packet.
type tunnel struct{ src, dst netip.Addr }

// A verdict is about checksums, which cannot always be verified.
type verdict uint8

const (
	unknown verdict = iota
	right
	wrong
)

func (p *packet) in() bool  { return p.kind != unix.PACKET_OUTGOING && p.kind != unix.PACKET_OTHERHOST }
func (p *packet) out() bool { return p.kind == unix.PACKET_OUTGOING }

const flagSYN, flagACK = 0x02, 0x10

// opens reports whether p is the first of a TCP connection.
func (p *packet) opens() bool { return p.proto == protoTCP && p.flags&(flagSYN|flagACK) == flagSYN }

// A decoder parses packets without allocating for each header.
type decoder struct {
	eth layers.Ethernet
	ip4 layers.IPv4
	ip6 layers.IPv6
	tcp layers.TCP
	udp layers.UDP
}

// decode parses f. It returns false for a frame that is no packet of TCP or UDP
// or ends within the headers.
func (d *decoder) decode(t *tap, f frame) (p *packet, ok bool) {
	if d.eth.DecodeFromBytes(f.data, gopacket.NilDecodeFeedback) != nil {
		return nil, false
	}
	p = &packet{frame: f, tap: t}
	p.eth = [2]mac{mac(d.eth.DstMAC), mac(d.eth.SrcMAC)}
	version := uint8(protoIP4)
	if d.eth.EthernetType == layers.EthernetTypeIPv6 {
		version = protoIP6
	}
	return p, d.network(p, version, d.eth.Payload)
}

// network reads an IP packet, or the one in it.
func (d *decoder) network(p *packet, version uint8, data []byte) bool {
	if version == protoIP4 {
		if d.ip4.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return false
		}
		p.ttl, p.tos, p.id = d.ip4.TTL, d.ip4.TOS, d.ip4.Id
		p.judge(sum(data[:int(d.ip4.IHL)*4], 0) == 0xffff)
		size := int(d.ip4.Length) - int(d.ip4.IHL)*4
		return d.inner(p, uint8(d.ip4.Protocol), d.ip4.SrcIP, d.ip4.DstIP, size, d.ip4.Payload)
	}
	if d.ip6.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
		return false
	}
	p.ttl, p.tos, p.id = d.ip6.HopLimit, d.ip6.TrafficClass, 0
	return d.inner(p, uint8(d.ip6.NextHeader), d.ip6.SrcIP, d.ip6.DstIP, int(d.ip6.Length), d.ip6.Payload)
}

// inner reads what is in an IP packet, size bytes of protocol proto.
func (d *decoder) inner(p *packet, proto uint8, from, to []byte, size int, data []byte) bool {
	src, _ := netip.AddrFromSlice(from)
	dst, _ := netip.AddrFromSlice(to)
	if proto == protoIP4 || proto == protoIP6 {
		if p.path.src.IsValid() {
			return false
		}
		p.path = tunnel{src, dst}
		return d.network(p, proto, data)
	}
	p.proto = proto
	p.src, p.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if !d.transport(p, size, data) {
		return false
	}
	if len(data) >= size && !p.unfinished && (proto != protoUDP || d.udp.Checksum != 0) {
		p.judge(sum(data[:size], pseudo(src, dst, proto, size)) == 0xffff)
	}
	return true
}

func (d *decoder) transport(p *packet, size int, data []byte) bool {
	head := 8
	switch p.proto {
	case protoTCP:
		if d.tcp.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return false
		}
		head = int(d.tcp.DataOffset) * 4
		p.seq, p.ack, p.flags, p.payload = d.tcp.Seq, d.tcp.Ack, data[13], d.tcp.Payload
	case protoUDP:
		if d.udp.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return false
		}
		p.payload = d.udp.Payload
	default:
		return false
	}
	p.size = size - head
	p.payload = p.payload[:min(len(p.payload), max(p.size, 0))]
	p.src = netip.AddrPortFrom(p.src.Addr(), uint16(data[0])<<8|uint16(data[1]))
	p.dst = netip.AddrPortFrom(p.dst.Addr(), uint16(data[2])<<8|uint16(data[3]))
	return true
}

// judge records whether a checksum is right. One wrong checksum counts for the
// packet.
func (p *packet) judge(ok bool) {
	switch {
	case !ok:
		p.sums = wrong
	case p.sums == unknown:
		p.sums = right
	}
}

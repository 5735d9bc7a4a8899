package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Traffic is what a Sender sends: SYNs (tcp) or datagrams (udp). Packet n
// comes from source n modulo Sources; the port changes once all sources have
// had their turn. No two of the first Sources times 60,000 packets have both
// address and port in common.
type Traffic struct {
	Protocol string         // tcp or udp
	To       netip.AddrPort // the virtual service
	From     netip.Prefix   // of the same family; its second address is the first source
	Sources  int            // how many addresses; 0 is 1
	// Payload is the size of datagrams, at least 8: they begin with the
	// packet's number, big endian. 0 is 8.
	Payload int
	// First is the number of the first packet. A director that remembers
	// connections has to be sent others in the next run.
	First uint64
}

// ports are those of the sources: firstPort and as many as this.
const (
	ports     = 60_000
	firstPort = 2_000
)

// number is room for the number in a datagram.
const number = 8

func (t Traffic) check() error {
	switch {
	case t.Protocol != "tcp" && t.Protocol != "udp":
		return fmt.Errorf("craft packets of protocol %q: want tcp or udp", t.Protocol)
	case t.From.Addr().Is4() != t.To.Addr().Is4() || !t.To.IsValid():
		return fmt.Errorf("craft packets from %v to %v: two families", t.From, t.To)
	}
	free := t.From.Addr().BitLen() - t.From.Bits()
	if free < 32 && t.Sources+1 > 1<<free {
		return fmt.Errorf("craft packets from %d sources: %v has not so many", t.Sources, t.From)
	}
	return nil
}

// A template is a packet that is turned into the next one in place. Offsets
// are into frame.
type template struct {
	Traffic
	frame      []byte
	base       netip.Addr // of From
	src, l4    int        // source address, header of the transport
	ipSum, sum int        // checksums; ipSum 0: there is none
}

// newTemplate crafts the packet that all others are made from.
func newTemplate(t Traffic, from, to net.HardwareAddr) (*template, error) {
	t.Sources, t.Payload = max(t.Sources, 1), max(t.Payload, number)
	if err := t.check(); err != nil {
		return nil, err
	}
	c := &template{Traffic: t, base: t.From.Masked().Addr()}
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, options, c.layers(from, to)...); err != nil {
		return nil, fmt.Errorf("craft a packet to %v: %w", t.To, err)
	}
	c.frame = buf.Bytes()
	c.sum = c.l4 + 16
	if t.Protocol == "udp" {
		c.sum = c.l4 + 6
	}
	return c, nil
}

// layers are the headers, and where they are.
func (c *template) layers(from, to net.HardwareAddr) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: layers.EthernetTypeIPv6}
	proto := layers.IPProtocol(Service{Protocol: c.Protocol}.number())
	if c.base.Is4() {
		c.src, c.ipSum, c.l4 = atIP+12, atIP+10, atIP+20
		eth.EthernetType = layers.EthernetTypeIPv4
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: c.base.AsSlice(), DstIP: c.To.Addr().AsSlice()}
		return append([]gopacket.SerializableLayer{eth, ip}, c.transport(ip)...)
	}
	c.src, c.l4 = atIP+8, atPorts6
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: c.base.AsSlice(), DstIP: c.To.Addr().AsSlice()}
	return append([]gopacket.SerializableLayer{eth, ip}, c.transport(ip)...)
}

func (c *template) transport(ip gopacket.NetworkLayer) []gopacket.SerializableLayer {
	if c.Protocol == "udp" {
		udp := &layers.UDP{SrcPort: firstPort, DstPort: layers.UDPPort(c.To.Port())}
		_ = udp.SetNetworkLayerForChecksum(ip) // fails for what is not IP
		return []gopacket.SerializableLayer{udp, gopacket.Payload(make([]byte, c.Payload))}
	}
	tcp := &layers.TCP{
		SrcPort: firstPort, DstPort: layers.TCPPort(c.To.Port()), SYN: true, Window: 65535,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{0x05, 0xb4}}},
	}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{tcp}
}

// clone returns a packet to be changed by itself.
func (c *template) clone() *template {
	d := *c
	d.frame = append([]byte(nil), c.frame...)
	return &d
}

// become turns the frame into packet n.
func (c *template) become(n uint64) {
	source := n%uint64(c.Sources) + 1
	var b [8]byte
	// The prefix leaves the last four bytes or fewer to the sources.
	end := c.src + c.base.BitLen()/8
	base := c.base.As16()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[12:])+uint32(source))
	c.change(end-4, b[:4], true, true)

	binary.BigEndian.PutUint16(b[:], uint16(firstPort+n/uint64(c.Sources)%ports))
	c.change(c.l4, b[:2], false, true)
	if c.ipSum != 0 {
		binary.BigEndian.PutUint16(b[:], uint16(n))
		c.change(atIP+4, b[:2], true, false)
	}
	if c.Protocol == "udp" {
		binary.BigEndian.PutUint64(b[:], n)
		c.change(c.l4+8, b[:8], false, true)
	} else {
		// Far apart, as those of real clients are.
		binary.BigEndian.PutUint32(b[:], uint32(n)*2654435761)
		c.change(c.l4+4, b[:4], false, true)
	}
}

// change writes now and mends the checksums that cover it.
func (c *template) change(at int, now []byte, network, transport bool) {
	old := c.frame[at : at+len(now)]
	if network && c.ipSum != 0 {
		c.mend(c.ipSum, old, now)
	}
	if transport {
		c.mend(c.sum, old, now)
		if c.Protocol == "udp" && binary.BigEndian.Uint16(c.frame[c.sum:]) == 0 {
			binary.BigEndian.PutUint16(c.frame[c.sum:], 0xffff) // 0 is none
		}
	}
	copy(old, now)
}

func (c *template) mend(at int, old, now []byte) {
	field := c.frame[at:]
	binary.BigEndian.PutUint16(field, patch(binary.BigEndian.Uint16(field), old, now))
}

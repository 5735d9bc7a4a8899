package wire

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
)

// TestFilter runs the program that the kernel is given.
func TestFilter(t *testing.T) {
	s := Service{Protocol: "udp", Addr: netip.MustParseAddrPort("10.9.0.100:53"), Reals: []Real{
		{Addr: netip.MustParseAddrPort("10.2.0.11:5353")}, {Addr: netip.MustParseAddrPort("10.2.0.12:0")},
	}}
	raw, err := s.filter(99)
	if err != nil {
		t.Fatal(err)
	}
	prog := make([]bpf.RawInstruction, len(raw))
	for i, in := range raw {
		prog[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	decoded, _ := bpf.Disassemble(prog)
	vm, err := bpf.NewVM(decoded)
	if err != nil {
		t.Fatal(err)
	}
	udp := func(from, to int) *layers.UDP {
		return &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
	}
	options := []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
	for _, c := range []struct {
		name   string
		layers []gopacket.SerializableLayer
		want   int
	}{
		{"to the service", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP}, udp(9, 53)), 99},
		{"behind options", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP, Options: options}, udp(9, 53)), 99},
		{"from a real server", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP}, udp(5353, 9)), 99},
		{"IPv6", ip6(layers.IPProtocolUDP, udp(9, 53)), 99},
		{"other ports", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP}, udp(9, 54)), 0},
		{"other ports, IPv6", ip6(layers.IPProtocolUDP, udp(54, 9)), 0},
		{"other protocol", ip4(&layers.IPv4{Protocol: layers.IPProtocolTCP}, &layers.TCP{DstPort: 53}), 0},
		{"later fragment", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP, FragOffset: 8}, udp(9, 53)), 0},
		{"first fragment", ip4(&layers.IPv4{Protocol: layers.IPProtocolUDP, Flags: layers.IPv4MoreFragments}, udp(9, 53)), 99},
		{"tunnel", ip4(&layers.IPv4{Protocol: layers.IPProtocolIPv4}, gopacket.Payload(make([]byte, 40))), 99},
		{"tunnel, IPv6", ip6(layers.IPProtocolIPv6, gopacket.Payload(make([]byte, 60))), 99},
		{"ARP", []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: layers.EthernetTypeARP}, gopacket.Payload(make([]byte, 46))}, 0},
	} {
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, c.layers...); err != nil {
			t.Fatal(err)
		}
		if got, err := vm.Run(buf.Bytes()); got != c.want || err != nil {
			t.Errorf("%s: %d bytes kept, %v; want %d", c.name, got, err, c.want)
		}
	}
}

func ip4(ip *layers.IPv4, rest gopacket.SerializableLayer) []gopacket.SerializableLayer {
	ip.Version, ip.SrcIP, ip.DstIP = 4, net.IP{10, 1, 0, 1}, net.IP{10, 9, 0, 100}
	return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: layers.EthernetTypeIPv4}, ip, rest, gopacket.Payload(make([]byte, 40))}
}

func ip6(proto layers.IPProtocol, rest gopacket.SerializableLayer) []gopacket.SerializableLayer {
	ip := &layers.IPv6{Version: 6, NextHeader: proto, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
	return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: layers.EthernetTypeIPv6}, ip, rest, gopacket.Payload(make([]byte, 40))}
}

func TestTooManyPorts(t *testing.T) {
	s := Service{Protocol: "tcp", Addr: netip.MustParseAddrPort("10.9.0.100:80")}
	for i := range 60 {
		s.Reals = append(s.Reals, Real{Addr: netip.AddrPortFrom(netip.MustParseAddr("10.2.0.11"), uint16(1000+i))})
	}
	if _, err := s.filter(99); err == nil {
		t.Error("a filter for 61 ports: no error")
	}
}

// FuzzDecode has it that nothing on the wire harms the observer.
func FuzzDecode(f *testing.F) {
	for _, traffic := range traffics {
		c, err := newTemplate(traffic, macA, macB)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.frame)
		tunnelled := append([]byte(nil), c.frame[:atIP]...)
		binary.BigEndian.PutUint16(tunnelled[atType:], 0x0800)
		outer := []byte{0x45, 0, 0, 80, 0, 0, 0, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
		f.Add(append(append(tunnelled, outer...), c.frame[atIP:]...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d decoder
		if p, ok := d.decode(nil, frame{data: data, length: len(data)}); ok && len(p.payload) > max(p.size, 0) {
			t.Errorf("%d bytes of a payload of %d", len(p.payload), p.size)
		}
	})
}

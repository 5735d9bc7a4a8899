package wire

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"
)

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

var traffics = []Traffic{
	{Protocol: "tcp", To: netip.MustParseAddrPort("10.9.0.100:80"), From: netip.MustParsePrefix("10.1.0.0/16"), Sources: 5000},
	{Protocol: "udp", To: netip.MustParseAddrPort("10.9.0.100:5300"), From: netip.MustParsePrefix("10.1.255.0/24"), Sources: 255, Payload: 33},
	{Protocol: "tcp", To: netip.MustParseAddrPort("[fd00:9::100]:80"), From: netip.MustParsePrefix("fd00:1::/64"), Sources: 70000},
	{Protocol: "udp", To: netip.MustParseAddrPort("[fd00:9::100]:5300"), From: netip.MustParsePrefix("fd00:1::/48")},
}

// TestPatchedPacketsAreWhole compares packets changed again and again with the
// same ones written anew.
func TestPatchedPacketsAreWhole(t *testing.T) {
	for _, traffic := range traffics {
		t.Run(traffic.Protocol+" "+traffic.From.String(), func(t *testing.T) {
			c, err := newTemplate(traffic, macA, macB)
			if err != nil {
				t.Fatal(err)
			}
			c = c.clone()
			rapid.Check(t, func(t *rapid.T) {
				c.become(rapid.Uint64().Draw(t, "number"))
				if diff := cmp.Diff(anew(c.frame), c.frame); diff != "" {
					t.Errorf("written anew and patched:\n%s", diff)
				}
			})
		})
	}
}

// anew reads a frame and writes it with checksums of gopacket's own.
func anew(frame []byte) []byte {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	all := []gopacket.SerializableLayer{}
	// The port decides which protocol gopacket sees in the payload.
	for _, l := range p.Layers()[:3] {
		all = append(all, l.(gopacket.SerializableLayer))
		switch l := l.(type) {
		case *layers.TCP:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		case *layers.UDP:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		}
	}
	all = append(all, gopacket.Payload(p.TransportLayer().LayerPayload()))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func TestEverySourceIsServed(t *testing.T) {
	for _, traffic := range traffics {
		c, err := newTemplate(traffic, macA, macB)
		if err != nil {
			t.Fatal(err)
		}
		seen, addrs := map[netip.AddrPort]bool{}, map[netip.Addr]bool{}
		var d decoder
		for n := range uint64(3 * c.Sources) {
			c.become(n)
			p, ok := d.decode(nil, frame{data: c.frame})
			if !ok || p.sums != right || !traffic.From.Contains(p.src.Addr()) || p.dst != traffic.To || traffic.Protocol == "tcp" && !p.opens() {
				t.Fatalf("packet %d is %+v", n, p)
			}
			if traffic.Protocol == "udp" && binary.BigEndian.Uint64(p.payload) != n {
				t.Fatalf("packet %d carries %x", n, p.payload)
			}
			seen[p.src], addrs[p.src.Addr()] = true, true
		}
		if len(seen) != 3*c.Sources || len(addrs) != c.Sources {
			t.Errorf("%v: %d ends and %d sources in %d packets", traffic, len(seen), len(addrs), 3*c.Sources)
		}
	}
}

func TestTrafficRefused(t *testing.T) {
	to := netip.MustParseAddrPort("10.9.0.100:80")
	for name, traffic := range map[string]Traffic{
		"another protocol":   {Protocol: "sctp", To: to, From: netip.MustParsePrefix("10.1.0.0/16")},
		"two families":       {Protocol: "tcp", To: to, From: netip.MustParsePrefix("fd00::/64")},
		"too many sources":   {Protocol: "tcp", To: to, From: netip.MustParsePrefix("10.1.0.0/24"), Sources: 256},
		"no virtual service": {Protocol: "tcp", From: netip.MustParsePrefix("fd00::/64")},
	} {
		if _, err := newTemplate(traffic, macA, macB); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCraftingAllocatesNothing(t *testing.T) {
	c, err := newTemplate(traffics[0], macA, macB)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	if got := testing.AllocsPerRun(1000, func() { n++; c.become(n) }); got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}

func BenchmarkCraft(b *testing.B) {
	c, err := newTemplate(traffics[0], macA, macB)
	if err != nil {
		b.Fatal(err)
	}
	var n uint64
	for b.Loop() {
		n++
		c.become(n)
	}
}

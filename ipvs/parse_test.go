package ipvs

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink/nl"

	"github.com/shunt-lb/shunt/dataplane"
)

// message is what the kernel would send with these attributes.
func message(parts ...*nl.RtAttr) []byte {
	b := make([]byte, nl.SizeofGenlmsg)
	for _, p := range parts {
		b = append(b, p.Serialize()...)
	}
	return b
}

// stats are statistics of one width.
func stats(attr int, wide bool, n uint64) *nl.RtAttr {
	a := nl.NewRtAttr(attr, nil)
	for i := statConns; i <= statOutBytes; i++ {
		switch {
		case wide, i >= statInBytes:
			a.AddRtAttr(i, nl.Uint64Attr(n+uint64(i)))
		default:
			a.AddRtAttr(i, nl.Uint32Attr(uint32(n)+uint32(i)))
		}
	}
	return a
}

func TestServersAreReadAsTheyAreWritten(t *testing.T) {
	for _, want := range []server{
		rip,
		rip6,
		with(rip, func(s *server) { s.method, s.weight, s.upper, s.lower = methodDirect, 70000, 1<<32-1, 1<<31 }),
		with(rip6, func(s *server) { s.method, s.tunnel = methodTunnel, tunnel{kind: 1, port: 6080, flags: 2} }),
	} {
		got, err := parseServer(message(serverAttr(want)), family(false))
		must(t, err)
		if got.server != want {
			t.Errorf("wrote %+v, read %+v", want, got.server)
		}
	}
}

func TestConnectionFlagsAreMasked(t *testing.T) {
	got, err := parseServer(message(serverAttr(with(rip, func(s *server) { s.method = 0x100 | methodTunnel }))), family(false))
	if err != nil || got.method != methodTunnel {
		t.Errorf("method is %d, %v", got.method, err)
	}
}

func TestCounters(t *testing.T) {
	const n = 1 << 40
	wide := dataplane.Counters{Connections: n + 1, InPackets: n + 2, OutPackets: n + 3, InBytes: n + 4, OutBytes: n + 5}
	narrow := dataplane.Counters{Connections: 1, InPackets: 2, OutPackets: 3, InBytes: n + 4, OutBytes: n + 5}
	for _, c := range []struct {
		name string
		wide bool
		want dataplane.Counters
	}{{"64 bits", true, wide}, {"an old kernel", false, narrow}} {
		a := serviceAttr(web)
		a.AddChild(stats(svcStats, false, n))
		if c.wide {
			a.AddChild(stats(svcStats64, true, n))
		}
		_, e, err := parseService(message(a))
		if err != nil || e.counters != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, e.counters, err, c.want)
		}
	}
}

func TestKernelWithoutDestinationFamily(t *testing.T) {
	for _, c := range []struct {
		addr string
		six  bool
	}{{"10.9.1.1:80", false}, {"[fd00::1]:80", true}} {
		want := netip.MustParseAddrPort(c.addr)
		room := [16]byte{}
		copy(room[:], want.Addr().AsSlice())
		a := nl.NewRtAttr(cmdAttrDest, nil)
		a.AddRtAttr(dstAddr, room[:])
		a.AddRtAttr(dstPort, nl.BEUint16Attr(80))
		s, err := parseServer(message(a), family(c.six))
		if err != nil || s.addr != want {
			t.Errorf("got %v, %v, want %v", s.addr, err, want)
		}
	}
}

// FuzzParse sees that nothing the kernel could say ends the program.
func FuzzParse(f *testing.F) {
	f.Add(message(serverAttr(rip)))
	f.Add(message(serviceAttr(web), serverAttr(rip6)))
	a := serviceAttr(web)
	a.AddChild(stats(svcStats, false, 1))
	f.Add(message(a))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		_, _, _ = parseService(b)
		_, _ = parseServer(b, family(true))
		if !slices.Equal(b, before) {
			t.Error("the message was changed")
		}
	})
}

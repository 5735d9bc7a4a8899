package ipvs

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestTunnelsInTheKernelsTerms(t *testing.T) {
	for _, c := range []struct {
		in   tunnel
		want string // "" for one that nobody can ask for here
	}{
		{tunnel{}, "ipip"},
		{tunnel{kind: 1, port: 6080}, "gue port 6080"},
		{tunnel{kind: 1, port: 6080, flags: 1}, "gue port 6080 checksum yes"},
		{tunnel{kind: 1, port: 6080, flags: 2}, "gue port 6080 checksum remote"},
		{tunnel{kind: 2}, "gre"},
		{tunnel{kind: 2, flags: 1}, "gre checksum yes"},
		{tunnel{kind: 2, flags: 2}, ""},
		{tunnel{kind: 2, port: 6080}, ""},
		{tunnel{kind: 1}, ""},
		{tunnel{kind: 1, port: 6080, flags: 3}, ""},
		{tunnel{flags: 1}, ""},
		{tunnel{kind: 3}, ""},
	} {
		w, known := c.in.words()
		if known != (c.want != "") || known && (w.String() != c.want || goalTunnel(w) != c.in) {
			t.Errorf("%+v reads as %v, known %v, and is written as %+v; want %q", c.in, w, known, goalTunnel(w), c.want)
		}
		s := server{addr: netip.MustParseAddrPort("10.9.1.1:80"), method: methodTunnel, tunnel: c.in}
		r := s.real(dataplane.VirtualService{})
		if want := map[bool]dataplane.Forward{true: dataplane.IPIP, false: foreign}[known]; r.Forward != want {
			t.Errorf("%+v reads as a real server by %v, want %v", c.in, r.Forward, want)
		}
	}
}

// TestTunnelChangesInPlace makes one write of a change of the type.
func TestTunnelChangesInPlace(t *testing.T) {
	d, _ := opened()
	want := two()
	want.RealServers = []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.9.1.1:80"), Forward: dataplane.IPIP, Weight: 1}}
	must(t, d.Apply(t.Context(), want))
	for _, tunnel := range []dataplane.Tunnel{{Type: dataplane.TunnelGRE}, {Type: dataplane.TunnelGUE, Port: 6080}, {}} {
		want = want.Clone()
		want.RealServers[0].Tunnel = tunnel
		before := d.Writes()
		must(t, d.Apply(t.Context(), want))
		must(t, d.Apply(t.Context(), want))
		holds(t, d, want)
		if n := d.Writes() - before; n != 1 {
			t.Errorf("%v: %d writes, want 1", tunnel, n)
		}
	}
}

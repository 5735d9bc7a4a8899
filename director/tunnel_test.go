package director

import (
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

func TestTunnelsReachTheDataplane(t *testing.T) {
	c, err := config.Parse(t.Context(), "test.cf", []byte(`tunneltype=gue
tunnelport=6080
virtual=192.0.2.80:80
    real=192.0.2.1:80 ipip
    real=192.0.2.2:80 masq
    fallback=192.0.2.9:80 ipip
virtual=192.0.2.81:80
    real=192.0.2.1:80 ipip
    tunneltype=gre
    tunnelchecksum=yes
virtual=192.0.2.82:80
    real=192.0.2.1:80 ipip
    tunneltype=ipip
    fallback=sorry
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	gue := dataplane.Tunnel{Type: dataplane.TunnelGUE, Port: 6080}
	gre := dataplane.Tunnel{Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumYes}
	for i, want := range [][]dataplane.Tunnel{{gue, {}, gue}, {gre}, {{}, {}}} {
		reals := Everything(&c.Virtuals[i]).RealServers
		if len(reals) != len(want) {
			t.Fatalf("%s has %v", c.Virtuals[i].ID, reals)
		}
		for j, r := range reals {
			if r.Tunnel != want[j] {
				t.Errorf("%s: %s is reached by %v, want %v", c.Virtuals[i].ID, r.Addr, r.Tunnel, want[j])
			}
		}
	}
	for i, want := range []string{"gue port 6080", "gre checksum yes", ""} {
		if got := newService(&c.Virtuals[i]).status().Servers[0].Tunnel; got != want {
			t.Errorf("%s: status says %q, want %q", c.Virtuals[i].ID, got, want)
		}
	}
}

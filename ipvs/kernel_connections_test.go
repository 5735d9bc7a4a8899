//go:build kernel

package ipvs

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestConnections finds one of each family, and a pinned client.
func TestConnections(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	s.serve(t, ":80")
	d := s.open(t)
	for _, six := range []bool{false, true} {
		vip := netip.AddrPortFrom(vip4, 80)
		if six {
			vip = netip.AddrPortFrom(vip6, 80)
		}
		want := dataplane.VirtualService{ID: tcp(vip.String()), Scheduler: "rr", RealServers: reals(dataplane.Masq, six, 80)[:1]}
		want.Persistent, want.PersistentBits = time.Minute, vip.Addr().BitLen()
		must(t, d.Apply(t.Context(), want))
		v, err := dial(s.client, vip.String())
		must(t, err)
		client := netip.MustParseAddrPort(v.LocalAddr().String())
		found := map[netip.AddrPort]dataplane.Connection{}
		must(t, s.director.Do(func() error {
			for c, err := range Connections(t.Context()) {
				if err != nil {
					return err
				}
				found[c.Client] = c
			}
			return nil
		}))
		_ = v.Close()
		if c := found[client]; c.Virtual != vip || c.Server != want.RealServers[0].Addr || c.State != "ESTABLISHED" || c.Expires == 0 {
			t.Errorf("%v: found %+v among %d", client, c, len(found))
		}
		if c := found[netip.AddrPortFrom(client.Addr(), 0)]; c.Server != want.RealServers[0].Addr {
			t.Errorf("%v, pinned: found %+v among %d", client, c, len(found))
		}
	}
}

// TestKernelTimeouts: the kernel does what the fake does.
func TestKernelTimeouts(t *testing.T) { keepsTimeouts(t, withTable(openTest(t), nil)) }

// TestListed finds services without asking IPVS for them.
func TestListed(t *testing.T) {
	n := namespace(t, netlab.Test(t))
	must(t, n.Do(func() error {
		k, err := openKernel(slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer k.close()
		want := []dataplane.ServiceID{web, web6, udp("10.9.0.1:53")}
		for _, id := range append(want, mark(5)) {
			must(t, k.addService(id, options{scheduler: "rr", netmask: netmask(ipv6(id), bitLen(id))}))
		}
		must(t, k.addServer(web, rip))
		got, err := Listed()
		slices.SortFunc(got, dataplane.ServiceID.Compare)
		slices.SortFunc(want, dataplane.ServiceID.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("listed are %v, want %v", got, want)
		}
		return err
	}))
}

//go:build kernel

package realserver_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// tunnel makes the client send packets for vip to the server, wrapped, as a
// director does with tunnelling.
func (s *fixture) tunnel(vip, from, to netip.Addr) {
	s.t.Helper()
	must(s.t, s.client.Do(func() error {
		attrs := netlink.LinkAttrs{Name: "wrap4"}
		var l netlink.Link = &netlink.Iptun{LinkAttrs: attrs, Local: from.AsSlice(), Remote: to.AsSlice()}
		if vip.Is6() {
			attrs.Name = "wrap6"
			l = &netlink.Ip6tnl{LinkAttrs: attrs, Local: from.AsSlice(), Remote: to.AsSlice()}
		}
		if err := netlink.LinkAdd(l); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		dst := netlink.NewIPNet(vip.AsSlice())
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Src: from.AsSlice()})
	}))
}

func TestTunnelling(t *testing.T) {
	s := newFixture(t)
	// A hardened distribution has these settings.
	for _, link := range []string{"all", "default"} {
		must(t, s.server.Sysctl("net.ipv4.conf."+link+".rp_filter", "1"))
	}
	o := realserver.Options{VIPs: []netip.Addr{vip4, vip6}, Forward: dataplane.IPIP}
	t.Logf("apply: %q", s.change(s.host.Apply, o))
	s.wantChange(s.host.Check, o)
	s.wantChange(s.host.Apply, o)

	s.tunnel(vip4, netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2"))
	s.tunnel(vip6, netip.MustParseAddr("fd00:1::1"), netip.MustParseAddr("fd00:1::2"))
	four := s.serve(vip4)
	for _, address := range []string{four, s.serve(vip6)} {
		if !s.reaches(address, patience) {
			t.Errorf("what is tunnelled for %s is not served", address)
		}
	}
	for _, tt := range []struct {
		all, tunnel string
		served      bool
	}{{"1", "1", false}, {"1", "0", false}, {"0", "1", false}, {"0", "0", true}, {"2", "0", true}, {"2", "1", true}, {"1", "2", true}} {
		must(t, s.server.Sysctl("net.ipv4.conf.all.rp_filter", tt.all))
		must(t, s.server.Sysctl("net.ipv4.conf.tunl0.rp_filter", tt.tunnel))
		within := patience
		if !tt.served {
			within = time.Second / 2 // it is dropped for good
		}
		if got := s.reaches(four, within); got != tt.served {
			t.Errorf("with rp_filter %s and %s it is served: %v, want %v", tt.all, tt.tunnel, got, tt.served)
		}
		if missing := len(s.change(s.host.Check, o)) > 0; missing == tt.served {
			t.Errorf("with rp_filter %s and %s check finds something: %v", tt.all, tt.tunnel, missing)
		}
	}
	must(t, s.server.Sysctl("net.ipv4.conf.all.rp_filter", "1"))

	t.Logf("remove: %q", s.change(s.host.Remove, o))
	s.wantChange(s.host.Remove, o)
	must(t, s.server.Do(func() error {
		for _, name := range []string{"tunl0", "ip6tnl0"} {
			l, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			if l.Attrs().OperState != netlink.OperDown || len(addrs) != 0 {
				t.Errorf("%s is %v and has %v", name, l.Attrs().OperState, addrs)
			}
		}
		for _, link := range []string{"all", "tunl0"} {
			if value, err := s.host.Settings.Get(sysctl.Link("ipv4", link, "rp_filter")); value != "1" {
				t.Errorf("rp_filter of %s is %q afterwards, want 1 as before (%v)", link, value, err)
			}
		}
		return nil
	}))
}

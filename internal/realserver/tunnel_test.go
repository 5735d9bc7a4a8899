//go:build kernel

package realserver_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/realserver"
)

// tunnel has the client send what is for vip to the server, wrapped, as a
// director does with tunnelling.
func (s *site) tunnel(vip, from, to netip.Addr) {
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
	s := newSite(t)
	// As a hardened distribution has it.
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
	for value, want := range map[string]bool{"1": false, "2": true, "0": true} {
		must(t, s.server.Sysctl("net.ipv4.conf.tunl0.rp_filter", value))
		patience := patience
		if !want {
			patience = time.Second // it is dropped for good
		}
		if got := s.reaches(four, patience); got != want {
			t.Errorf("with rp_filter=%s it is served: %v, want %v", value, got, want)
		}
	}

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
		if value, err := s.host.Settings.Get("net.ipv4.conf.all.rp_filter"); value != "1" {
			t.Errorf("rp_filter is %q afterwards, want 1 as before (%v)", value, err)
		}
		return nil
	}))
}

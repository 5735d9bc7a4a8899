package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A real server that asks for packets which do not fit into the tunnel is named,
// with a line to type that ends it. One that asks for smaller ones is not, nor one
// on links with room for the tunnel, nor one without a tunnel.
func TestPacketsThatDoNotFitAreNamed(t *testing.T) {
	for _, c := range []struct {
		name, director, server, vip, mine, line string
		overhead                                int
	}{
		{"IPv4", "10.14.0.1/24", "10.14.0.2/24", "10.14.0.100", "10.14.0.1", "iptables -t mangle -A OUTPUT -p tcp -s 10.14.0.100 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1440;", 20},
		{"IPv6", "fd14::1/64", "fd14::2/64", "fd14::100", "fd14::1", "ip6tables -t mangle -A OUTPUT -p tcp -s fd14::100 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400;", 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			director, server := pairOf(t, c.director, c.server)
			vip := netip.MustParseAddr(c.vip)
			if err := errors.Join(server.AddVIP("eth0", vip), director.Route(netip.PrefixFrom(vip, vip.BitLen()), netip.MustParsePrefix(c.server).Addr())); err != nil {
				t.Fatal(err)
			}
			accepting(t, server, netip.MustParsePrefix(c.server).Addr(), vip)
			tunnel := Path{Mark: 0x53480001, VIP: netip.AddrPortFrom(vip, 80), Tunnel: true, Wrap: dataplane.Tunnel{}.Overhead(vip.Is6())}
			says := func(p Path) string {
				var note Note
				target := Target{Addr: netip.AddrPortFrom(netip.MustParsePrefix(c.server).Addr(), 80), Note: &note}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := director.Do(func() error {
					return ByVIP(Connect, p, func(err error) { t.Errorf("blind: %v", err) })(ctx, target)
				})
				if err != nil {
					t.Fatal(err)
				}
				return note.Warning
			}
			want := fmt.Sprintf("asks clients for packets of 1500 bytes, and with the %d bytes of the tunnel they are larger than 1500, the MTU to %s:", c.overhead, netip.MustParsePrefix(c.server).Addr())
			if got := says(tunnel); !strings.Contains(got, want) || !strings.Contains(got, c.line) {
				t.Errorf("with a tunnel: %q, want %q and %q", got, want, c.line)
			}
			if got := says(Path{Mark: 0x53480001, VIP: netip.AddrPortFrom(vip, 80)}); got != "" {
				t.Errorf("without a tunnel: %q, want nothing", got)
			}
			advertise(t, server, c.mine, 1500-c.overhead-20-c.overhead) // a header of IP is as long as the tunnel's
			if got := says(tunnel); got != "" {
				t.Errorf("a real server that asks for less: %q, want nothing", got)
			}
			advertise(t, server, c.mine, 1500-c.overhead-20-c.overhead+1)
			if got := says(tunnel); !strings.Contains(got, "the MTU to") {
				t.Errorf("a real server that asks for one byte too much: %q", got)
			}
			advertise(t, server, c.mine, 0)
			room := fmt.Sprintf("an MTU of %d", 1500+c.overhead)
			if got := says(tunnel); !strings.HasSuffix(got, room) {
				t.Errorf("again as in the beginning: %q, want %q at its end", got, room)
			}
			setMTU(t, 1500+c.overhead, director, server)
			if got := says(tunnel); got != "" {
				t.Errorf("with the MTU that is named: %q, want nothing", got)
			}
		})
	}
}

// Packets of 1500 bytes are the largest that clients from elsewhere send, whatever
// the real server asks for.
func TestNarrow(t *testing.T) {
	server := netip.MustParseAddr("192.0.2.1")
	vip := netip.MustParseAddrPort("192.0.2.100:80")
	for _, c := range []struct {
		wrap, asked, mtu int
		want             string
	}{
		{0, 1460, 1400, "same MTU"},
		{0, 1460, 1500, ""},
		{0, 8960, 1500, ""}, // no client from elsewhere sends that much
		{20, 1460, 1500, "--set-mss 1440"},
		{20, 1440, 1500, ""},
		{32, 1440, 1500, "--set-mss 1428"},
		{20, 8960, 9000, ""},
		{20, 8960, 1519, "an MTU of 1520"},
		{20, 1460, 1520, ""},
		{20, 0, 0, ""}, // not known
	} {
		got := Path{VIP: vip, Tunnel: c.wrap > 0, Wrap: c.wrap}.narrow(server, segment{c.asked, c.mtu})
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%d bytes around segments of %d on an MTU of %d: %q, want %q", c.wrap, c.asked, c.mtu, got, c.want)
		}
	}
}

// pairOf are two machines on one wire.
func pairOf(t *testing.T, a, b string) (one, other *netlab.Namespace) {
	t.Helper()
	lab := netlab.Test(t)
	one, err := lab.Namespace("director")
	if err == nil {
		other, err = lab.Namespace("server")
	}
	if err == nil {
		err = lab.Connect(netlab.End{In: one, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix(a)}}, netlab.End{In: other, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix(b)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return one, other
}

// accepting listens on port 80 of addresses of a machine.
func accepting(t *testing.T, in *netlab.Namespace, addrs ...netip.Addr) {
	t.Helper()
	for _, a := range addrs {
		ln, err := in.Listen("tcp", netip.AddrPortFrom(a, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
	}
}

// advertise has a machine ask for segments of a size in its connections with
// another; 0 is what the link allows.
func advertise(t *testing.T, in *netlab.Namespace, to string, size int) {
	t.Helper()
	dst := netip.MustParseAddr(to)
	err := in.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{
			LinkIndex: link.Attrs().Index, AdvMSS: size,
			Dst: &net.IPNet{IP: dst.AsSlice(), Mask: net.CIDRMask(dst.BitLen(), dst.BitLen())},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func setMTU(t *testing.T, mtu int, in ...*netlab.Namespace) {
	t.Helper()
	for _, n := range in {
		err := n.Do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return netlink.LinkSetMTU(link, mtu)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

//go:build kernel

package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/dataplane/dataplanetest"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A fixture is a small data centre: clients behind a router, and a bridge with
// the director and three real servers, as operators set them up.
type fixture struct {
	lab                      *netlab.Lab
	client, router, director *netlab.Namespace
	real                     []*netlab.Namespace
}

var (
	vip4 = netip.MustParseAddr("10.2.0.100")
	vip6 = netip.MustParseAddr("fd00:2::100")
)

// newFixture builds a fixture whose real servers are reached by one method.
func newFixture(t testing.TB, forward dataplane.Forward) *fixture {
	t.Helper()
	s := &fixture{lab: netlab.Test(t)}
	for _, n := range []struct {
		name string
		ns   **netlab.Namespace
	}{{"client", &s.client}, {"router", &s.router}, {"director", &s.director}} {
		var err error
		*n.ns, err = s.lab.Namespace(n.name)
		must(t, err)
	}
	must(t, s.wire())
	must(t, s.equipDirector())
	for _, r := range s.real {
		must(t, equip(r, forward))
	}
	return s
}

func (s *fixture) wire() error {
	front := s.lab.Connect(
		end(s.client, "eth0", "10.1.0.2/16", "10.1.0.3/16", "10.1.1.2/16", "fd00:1:0:1::2/48", "fd00:1:0:1::3/48", "fd00:1:0:2::2/48"),
		end(s.router, "eth0", "10.1.0.1/16", "fd00:1::1/48"),
	)
	ends := []netlab.End{
		end(s.router, "eth1", "10.2.0.254/24", "fd00:2::254/64"),
		end(s.director, "eth0", "10.2.0.1/24", "fd00:2::1/64"),
	}
	for i := 11; i <= 13; i++ {
		r, err := s.lab.Namespace(fmt.Sprintf("real%d", i))
		if err != nil {
			return err
		}
		s.real = append(s.real, r)
		ends = append(ends, end(r, "eth0", fmt.Sprintf("10.2.0.%d/24", i), fmt.Sprintf("fd00:2::%d/64", i)))
	}
	_, err := s.lab.Bridge("back", ends...)
	return errors.Join(front, err,
		s.client.Gateway(netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00:1::1")),
		s.router.Forward())
}

func (s *fixture) equipDirector() error {
	return errors.Join(
		s.director.Gateway(netip.MustParseAddr("10.2.0.254"), netip.MustParseAddr("fd00:2::254")),
		s.director.AddVIP("eth0", vip4), s.director.AddVIP("eth0", vip6),
		s.director.Forward(),
		s.director.Sysctl("net.ipv4.conf.all.send_redirects", "0"),
		s.director.Sysctl("net.ipv4.conf.eth0.send_redirects", "0"),
		// Every refusal is to reach its client, also one of many in a row.
		s.director.Sysctl("net.ipv4.icmp_ratelimit", "0"),
		s.director.Sysctl("net.ipv6.icmp.ratelimit", "0"),
	)
}

// equip makes a namespace a real server for a method of forwarding.
func equip(r *netlab.Namespace, forward dataplane.Forward) error {
	if forward == dataplane.Masq {
		return r.Gateway(netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("fd00:2::1"))
	}
	errs := []error{r.Gateway(netip.MustParseAddr("10.2.0.254"), netip.MustParseAddr("fd00:2::254"))}
	for _, link := range []string{"all", "lo", "eth0"} {
		errs = append(errs,
			r.Sysctl("net.ipv4.conf."+link+".arp_ignore", "1"),
			r.Sysctl("net.ipv4.conf."+link+".arp_announce", "2"))
	}
	errs = append(errs, r.AddVIP("lo", vip4), r.AddVIP("lo", vip6))
	if forward == dataplane.IPIP {
		errs = append(errs, r.Do(tunnelEnds))
		for _, link := range []string{"all", "tun4", "tun6", "sit"} {
			errs = append(errs, r.Sysctl("net.ipv4.conf."+link+".rp_filter", "0"))
		}
	}
	return errors.Join(errs...)
}

// open opens the director's dataplane and sets what clients of real servers
// that go away need.
func (s *fixture) open(t testing.TB) *Dataplane {
	t.Helper()
	var d *Dataplane
	must(t, s.director.Do(func() (err error) {
		d, err = New(Options{})
		return err
	}))
	t.Cleanup(func() { _ = d.Close() })
	must(t, errors.Join(
		s.director.Sysctl("net.ipv4.vs.expire_nodest_conn", "1"),
		s.director.Sysctl("net.ipv4.vs.expire_quiescent_template", "1"),
	))
	return d
}

// suite is the fixture as the contract's suite wants it.
func (s *fixture) suite(forward dataplane.Forward) dataplanetest.Lab {
	lab := dataplanetest.Lab{
		Open: func(t testing.TB) dataplane.Dataplane { return s.open(t) },
		VIP4: vip4, VIP6: vip6, Forward: forward,
		Patience: 2 * time.Minute, // emulated, beside other machines
		Director: host(s.director, "10.2.0.1", "fd00:2::1"),
		Clients: []dataplanetest.Host{
			host(s.client, "10.1.0.2", "fd00:1:0:1::2"),
			host(s.client, "10.1.0.3", "fd00:1:0:1::3"),
			host(s.client, "10.1.1.2", "fd00:1:0:2::2"),
		},
		Lacks: dataplanetest.Lacks{
			CutsRemoved:     true, // expire_nodest_conn
			ForwardsPackets: true,
			OneWay:          forward != dataplane.Masq,
			RemembersEnded:  true,
			NewestFirst:     true,
			NoOnePacket:     forward == dataplane.Masq,
		},
	}
	for i, r := range s.real {
		h := host(r, fmt.Sprintf("10.2.0.%d", 11+i), fmt.Sprintf("fd00:2::%d", 11+i))
		if forward != dataplane.Masq {
			h.Bind4, h.Bind6 = vip4, vip6
		}
		lab.Servers = append(lab.Servers, h)
	}
	return lab
}

func host(n *netlab.Namespace, v4, v6 string) dataplanetest.Host {
	return dataplanetest.Host{V4: netip.MustParseAddr(v4), V6: netip.MustParseAddr(v6), Do: n.Do}
}

func end(in *netlab.Namespace, link string, addrs ...string) netlab.End {
	e := netlab.End{In: in, Link: link}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParsePrefix(a))
	}
	return e
}

// TestContract holds the contract by NAT, and with the other methods of
// forwarding what depends on them.
func TestContract(t *testing.T) {
	for _, forward := range []dataplane.Forward{dataplane.Masq, dataplane.Gate, dataplane.IPIP} {
		t.Run(forward.String(), func(t *testing.T) {
			lab := newFixture(t, forward).suite(forward)
			lab.OnlyForwarded = forward != dataplane.Masq
			dataplanetest.Run(t, lab)
		})
	}
}

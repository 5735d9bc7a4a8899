package neighbor_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/neighbor"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

var (
	vip4 = netip.MustParseAddr("10.15.0.100")
	vip6 = netip.MustParseAddr("fd15::100")
)

// A fixture is a director that has both VIPs, and real servers, on one network.
type fixture struct {
	t        *testing.T
	director *netlab.Namespace
	servers  []*netlab.Namespace
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	lab := netlab.Test(t)
	s := &fixture{t: t}
	var ends []netlab.End
	for i, name := range []string{"director", "rs1", "rs2"} {
		n, err := lab.Namespace(name)
		s.must(err)
		if s.director == nil {
			s.director = n
		} else {
			s.servers = append(s.servers, n)
		}
		ends = append(ends, netlab.End{In: n, Link: "eth0", Addrs: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 15, 0, byte(i + 1)}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x15, 15: byte(i + 1)}), 64),
		}})
	}
	_, err := lab.Bridge("lan", ends...)
	s.must(errors.Join(err, s.director.AddVIP("eth0", vip4), s.director.AddVIP("eth0", vip6)))
	wait.Until(t, "the director's link has a link-local address", s.linkLocal)
	return s
}

// linkLocal reports whether the director's link has an address to ask from by IPv6:
// the kernel looks for duplicates of it first.
func (s *fixture) linkLocal() (has bool) {
	s.must(s.director.Do(func() error {
		all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
		has = slices.ContainsFunc(all, func(a netlink.Addr) bool {
			return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
		})
		return err
	}))
	return has
}

func (s *fixture) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// mac is that of a real server's link.
func (s *fixture) mac(n *netlab.Namespace) (mac neighbor.MAC) {
	s.t.Helper()
	s.must(n.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			mac = neighbor.MAC(l.Attrs().HardwareAddr)
		}
		return err
	}))
	return mac
}

// expect asks for both VIPs on the director's link.
func (s *fixture) expect(event string, addr netip.Addr, want ...*netlab.Namespace) {
	s.t.Helper()
	var macs []neighbor.MAC
	for _, n := range want {
		macs = append(macs, s.mac(n))
	}
	slices.SortFunc(macs, func(a, b neighbor.MAC) int { return slices.Compare(a[:], b[:]) })
	s.must(s.director.Do(func() error {
		here, err := neighbor.Here()
		if err != nil {
			return err
		}
		links := here.Of(addr)
		if len(links) != 1 || links[0].Name != "eth0" || !here.Own(addr) {
			s.t.Errorf("%s: %s is to be asked for on %v, own %v", event, addr, links, here.Own(addr))
			return nil
		}
		answers, err := here.Ask(s.t.Context(), links[0], []netip.Addr{vip4, vip6}, 10*time.Millisecond)
		if got := answers[addr]; !slices.Equal(got, macs) {
			s.t.Errorf("%s: %v answer for %s, want %v", event, got, addr, macs)
		}
		return err
	}))
}

// A real server on which ARP answers for the VIP is found, by its MAC, and one that
// is set up as it should be is not.
func TestARP(t *testing.T) {
	s := newFixture(t)
	s.expect("nobody has it", vip4)
	for _, n := range s.servers {
		s.must(n.AddVIP("lo", vip4))
	}
	s.expect("both answer", vip4, s.servers...)
	s.must(s.servers[0].Sysctl("net.ipv4.conf.all.arp_ignore", "1"))
	s.expect("one does not, with arp_ignore", vip4, s.servers[1])
	s.must(s.servers[1].Sysctl("net.ipv4.conf.all.arp_ignore", "1"))
	s.expect("none does", vip4)
	s.must(s.servers[0].AddVIP("eth0", vip4))
	s.expect("the VIP on the link itself", vip4, s.servers[0])
}

// With IPv6, an address on lo is not answered for, and one on the link is.
func TestNDP(t *testing.T) {
	s := newFixture(t)
	s.must(s.servers[0].AddVIP("lo", vip6))
	s.expect("on lo", vip6)
	s.must(s.servers[1].AddVIP("eth0", vip6))
	s.expect("on the link", vip6, s.servers[1])
}

// Machines that this host has had to do with are known by their MACs.
func TestKnown(t *testing.T) {
	s := newFixture(t)
	ln, err := s.servers[0].Listen("tcp", "10.15.0.2:0")
	s.must(err)
	defer ln.Close()
	c, err := s.director.Dial(t.Context(), "tcp", ln.Addr().String())
	s.must(err)
	_ = c.Close()
	s.must(s.director.Do(func() error {
		known, err := neighbor.Known()
		if got := known[s.mac(s.servers[0])]; !slices.Contains(got, netip.MustParseAddr("10.15.0.2")) {
			t.Errorf("rs1 is known as %v, want 10.15.0.2 among them", got)
		}
		if got := known[s.mac(s.servers[1])]; len(got) > 0 {
			t.Errorf("rs2 is known as %v, want nothing", got)
		}
		return err
	}))
}

// Asking ends with its context, and leaves nothing.
func TestAskEnds(t *testing.T) {
	s := newFixture(t)
	s.expect("nobody has it", vip4) // opens what a process opens once
	before := descriptors(t)
	s.must(s.director.Do(func() error {
		here, err := neighbor.Here()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		_, err = here.Ask(ctx, here.Of(vip4)[0], []netip.Addr{vip4, vip6}, time.Minute)
		if !errors.Is(err, context.Canceled) || time.Since(began) > 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		return nil
	}))
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, had %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// An address beyond a router, or on a link without ARP, is asked for nowhere.
func TestNowhereToAsk(t *testing.T) {
	s := newFixture(t)
	far := netip.MustParseAddr("192.0.2.100")
	s.must(s.director.AddVIP("lo", far))
	s.must(s.director.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			err = netlink.LinkSetARPOff(l)
		}
		return err
	}))
	s.must(s.director.Do(func() error {
		here, err := neighbor.Here()
		for _, a := range []netip.Addr{far, vip4} {
			if links := here.Of(a); len(links) > 0 || !here.Own(a) {
				t.Errorf("%s is to be asked for on %v, own %v", a, links, here.Own(a))
			}
		}
		return err
	}))
}

// Without the right to ask, the error names the right.
func TestAskWithoutRights(t *testing.T) {
	s := newFixture(t)
	s.must(s.director.Do(func() error { // on a thread of its own
		here, err := neighbor.Here()
		if err != nil {
			return err
		}
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var had [2]unix.CapUserData
		if err := unix.Capget(&head, &had[0]); err != nil {
			return err
		}
		less := had
		less[0].Effective &^= 1 << unix.CAP_NET_RAW
		if err := unix.Capset(&head, &less[0]); err != nil {
			return err
		}
		for _, a := range []netip.Addr{vip4, vip6} {
			if _, err := here.Ask(t.Context(), here.Of(a)[0], []netip.Addr{a}, 0); err == nil || !strings.Contains(err.Error(), "it needs CAP_NET_RAW") {
				t.Errorf("%s: %v, want the capability", a, err)
			}
		}
		return unix.Capset(&head, &had[0])
	}))
}

package realserver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const patience = time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fixture is a client and a real server on one wire. The client stands for the
// director too: it sends to the VIP as a director would.
type fixture struct {
	t              *testing.T
	client, server *netlab.Namespace
	host           *realserver.Host
}

var (
	vip4 = netip.MustParseAddr("10.1.0.100")
	vip6 = netip.MustParseAddr("fd00:1::100")
)

func newFixture(t *testing.T) *fixture {
	lab := netlab.Test(t)
	s := &fixture{t: t, host: &realserver.Host{Settings: sysctl.System, Note: realserver.Note(filepath.Join(t.TempDir(), "run", "note"))}}
	var err error
	s.client, err = lab.Namespace("client")
	must(t, err)
	s.server, err = lab.Namespace("server")
	must(t, err)
	must(t, lab.Connect(
		netlab.End{In: s.client, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd00:1::1/64")}},
		netlab.End{In: s.server, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fd00:1::2/64")}},
	))
	return s
}

// change runs Apply or Remove on the server and returns the equivalent commands.
func (s *fixture) change(f func(realserver.Options) ([]realserver.Step, error), o realserver.Options) (done []string) {
	s.t.Helper()
	must(s.t, s.server.Do(func() error {
		steps, err := f(o)
		for _, st := range steps {
			done = append(done, st.Command())
		}
		return err
	}))
	return done
}

func (s *fixture) wantChange(f func(realserver.Options) ([]realserver.Step, error), o realserver.Options, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.change(f, o)); diff != "" {
		s.t.Errorf("done (-want +got):\n%s", diff)
	}
}

// answers reports whether a machine on the wire answers for addr.
func (s *fixture) answers(addr netip.Addr) (answered bool) {
	s.t.Helper()
	c, err := s.client.Dial(s.t.Context(), "udp", net.JoinHostPort(addr.String(), "9"))
	must(s.t, err)
	defer c.Close()
	_, err = c.Write(nil)
	must(s.t, err)
	state := wait.For(s.t, fmt.Sprintf("an answer for %v or none", addr), func() (int, bool) {
		state := s.neighbour(addr)
		return state, state&(netlink.NUD_REACHABLE|netlink.NUD_STALE|netlink.NUD_DELAY|netlink.NUD_PROBE|netlink.NUD_FAILED) != 0
	})
	return state != netlink.NUD_FAILED
}

func (s *fixture) neighbour(addr netip.Addr) (state int) {
	s.t.Helper()
	must(s.t, s.client.Do(func() error {
		list, err := rtnl.Settled(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, netlink.FAMILY_ALL) })
		for _, n := range list {
			if n.IP.Equal(addr.AsSlice()) {
				state = n.State
			}
		}
		return err
	}))
	return state
}

// direct makes the client send to addr by the server's address in Ethernet, as a
// director does with direct routing.
func (s *fixture) direct(addr netip.Addr) {
	s.t.Helper()
	var mac net.HardwareAddr
	must(s.t, s.server.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			mac = l.Attrs().HardwareAddr
		}
		return err
	}))
	must(s.t, s.client.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: mac})
	}))
}

// serve answers connections to the VIPs on the server until the test ends.
func (s *fixture) serve(addr netip.Addr) (address string) {
	s.t.Helper()
	ln, err := s.server.Listen("tcp", net.JoinHostPort(addr.String(), "0"))
	must(s.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	s.t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// reaches reports whether a connection of the client to address is served.
func (s *fixture) reaches(address string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	c, err := s.client.Dial(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	text, err := io.ReadAll(c)
	return err == nil && string(text) == "hello"
}

func TestDirectRouting(t *testing.T) {
	s := newFixture(t)
	must(t, s.client.Sysctl("net.ipv4.neigh.eth0.retrans_time_ms", "50"))
	must(t, s.client.Sysctl("net.ipv6.neigh.eth0.retrans_time_ms", "50"))
	must(t, s.server.AddVIP("lo", netip.MustParseAddr("10.1.0.101")))
	if !s.answers(netip.MustParseAddr("10.1.0.101")) {
		t.Error("before, ARP for an address on lo is not answered: the test shows nothing")
	}
	o := realserver.Options{VIPs: []netip.Addr{vip4, vip6}}
	s.wantChange(s.host.Apply, o,
		"sysctl -w net.ipv4.conf.all.arp_ignore=1", "sysctl -w net.ipv4.conf.all.arp_announce=2",
		"sysctl -w net.ipv4.conf.lo.arp_ignore=1", "sysctl -w net.ipv4.conf.lo.arp_announce=2",
		"ip addr add 10.1.0.100/32 dev lo", "ip addr add fd00:1::100/128 dev lo preferred_lft 0 nodad",
	)
	s.wantChange(s.host.Check, o)
	s.wantChange(s.host.Apply, o)
	for _, v := range o.VIPs {
		if s.answers(v) {
			t.Errorf("the real server says that %v is its own", v)
		}
		s.direct(v)
		if !s.reaches(s.serve(v), patience) {
			t.Errorf("what is sent to the real server for %v is not served", v)
		}
	}
}

func TestRemove(t *testing.T) {
	s := newFixture(t)
	must(t, s.server.Sysctl("net.ipv4.conf.all.arp_announce", "1"))
	must(t, s.server.Sysctl("net.ipv4.conf.lo.arp_ignore", "1")) // somebody wants it so
	one, two := realserver.Options{VIPs: []netip.Addr{vip4}}, realserver.Options{VIPs: []netip.Addr{netip.MustParseAddr("10.1.0.101"), vip6}}
	s.wantChange(s.host.Apply, one,
		"sysctl -w net.ipv4.conf.all.arp_ignore=1", "sysctl -w net.ipv4.conf.all.arp_announce=2",
		"sysctl -w net.ipv4.conf.lo.arp_announce=2", "ip addr add 10.1.0.100/32 dev lo")
	s.wantChange(s.host.Apply, two, "ip addr add 10.1.0.101/32 dev lo", "ip addr add fd00:1::100/128 dev lo preferred_lft 0 nodad")
	s.wantChange(s.host.Remove, one, "ip addr del 10.1.0.100/32 dev lo")
	s.wantChange(s.host.Remove, two, "ip addr del 10.1.0.101/32 dev lo", "ip addr del fd00:1::100/128 dev lo",
		"sysctl -w net.ipv4.conf.all.arp_ignore=0", "sysctl -w net.ipv4.conf.all.arp_announce=1", "sysctl -w net.ipv4.conf.lo.arp_announce=0")
	s.wantChange(s.host.Remove, two)
	if _, err := os.Stat(string(s.host.Note)); !os.IsNotExist(err) {
		t.Errorf("the note is left behind: %v", err)
	}
}

// TestDirectorKeepsItsVIP: a machine that has the VIP on the wire may be the
// director; it keeps it.
func TestDirectorKeepsItsVIP(t *testing.T) {
	s := newFixture(t)
	must(t, s.server.AddAddr("eth0", netip.PrefixFrom(vip4, 24)))
	err := s.server.Do(func() error {
		done, err := s.host.Apply(realserver.Options{VIPs: []netip.Addr{vip4}})
		if len(done) != 5 {
			t.Errorf("done: %v", done)
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "10.1.0.100 is on eth0, which answers for it") || !strings.Contains(err.Error(), "ip addr del 10.1.0.100/24 dev eth0") {
		t.Errorf("error is %v", err)
	}
	if !s.answers(vip4) {
		t.Error("the address on the wire is gone")
	}
}

func TestNoSuchLink(t *testing.T) {
	s := newFixture(t)
	err := s.server.Do(func() error {
		_, err := s.host.Apply(realserver.Options{VIPs: []netip.Addr{vip4}, Link: "dummy7"})
		return err
	})
	if err == nil || err.Error() != "there is no link dummy7" {
		t.Errorf("error is %v", err)
	}
}

// TestNoTunnel: a kernel without the module says so.
func TestNoTunnel(t *testing.T) {
	s := newFixture(t)
	err := s.server.Do(func() error {
		_, err := s.host.Apply(realserver.Options{VIPs: []netip.Addr{vip4}, Forward: dataplane.IPIP})
		return err
	})
	if err != nil && err.Error() != "modprobe ipip: the kernel has no module ipip" {
		t.Errorf("error is %v", err)
	}
}

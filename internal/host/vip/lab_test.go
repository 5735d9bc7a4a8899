package vip_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/vip"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fixture is a director and a neighbour on one wire.
type fixture struct {
	t                   *testing.T
	director, neighbour *netlab.Namespace
	owners              int
}

func newFixture(t *testing.T) *fixture {
	lab := netlab.Test(t)
	s := &fixture{t: t}
	var err error
	s.director, err = lab.Namespace("director")
	must(t, err)
	s.neighbour, err = lab.Namespace("neighbour")
	must(t, err)
	must(t, lab.Connect(
		netlab.End{In: s.director, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd00:1::1/64")}},
		netlab.End{In: s.neighbour, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fd00:1::2/64")}},
	))
	return s
}

// in runs fn inside of n.
func (s *fixture) in(n *netlab.Namespace, fn func() error) {
	s.t.Helper()
	must(s.t, n.Do(fn))
}

// manager starts a Manager on the director, with an owner of its own, and closes
// it with the test.
func (s *fixture) manager(log io.Writer) *vip.Manager {
	s.t.Helper()
	s.owners++
	return s.managerOf(fmt.Sprint(s.owners), log)
}

func (s *fixture) managerOf(owner string, log io.Writer) *vip.Manager {
	s.t.Helper()
	var m *vip.Manager
	s.in(s.director, func() (err error) {
		m, err = vip.New(slog.New(slog.NewTextHandler(log, nil)), owner)
		return err
	})
	s.t.Cleanup(func() { _ = m.Close() })
	return m
}

// addrs returns the addresses of a link of the director that are not of its
// network, with their length.
func (s *fixture) addrs(link string) []string {
	s.t.Helper()
	var all []string
	s.in(s.director, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		addrs, err := rtnl.Settled(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_ALL) })
		for _, a := range addrs {
			if ones, _ := a.Mask.Size(); !a.IP.IsLinkLocalUnicast() && ones != 24 && ones != 64 {
				all = append(all, a.IPNet.String())
			}
		}
		return err
	})
	slices.Sort(all)
	return all
}

func (s *fixture) wantAddrs(link string, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	if got := s.addrs(link); !slices.Equal(got, want) {
		s.t.Errorf("%s has %v, want %v", link, got, want)
	}
}

func (s *fixture) eventuallyAddrs(link string, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	wait.Until(s.t, link+" has the addresses", func() bool { return slices.Equal(s.addrs(link), want) })
}

// mac returns the address of a link in Ethernet.
func (s *fixture) mac(n *netlab.Namespace, link string) (mac net.HardwareAddr) {
	s.t.Helper()
	s.in(n, func() error {
		l, err := netlink.LinkByName(link)
		if err == nil {
			mac = l.Attrs().HardwareAddr
		}
		return err
	})
	return mac
}

// believe makes the neighbour send packets for addr to mac.
func (s *fixture) believe(addr string, mac net.HardwareAddr) {
	s.t.Helper()
	s.in(s.neighbour, func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_REACHABLE, IP: net.ParseIP(addr), HardwareAddr: mac})
	})
}

// believed returns the address in Ethernet to which the neighbour sends packets
// for addr.
func (s *fixture) believed(addr string) (mac net.HardwareAddr) {
	s.t.Helper()
	s.in(s.neighbour, func() error {
		list, err := rtnl.Settled(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, netlink.FAMILY_ALL) })
		for _, n := range list {
			if n.IP.Equal(net.ParseIP(addr)) {
				mac = n.HardwareAddr
			}
		}
		return err
	})
	return mac
}

func want(pairs ...string) []vip.Address {
	var all []vip.Address
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, vip.Address{Addr: netip.MustParseAddr(pairs[i]), Link: pairs[i+1]})
	}
	return all
}

// A logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *logBuffer) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *logBuffer) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Count(j.buf.Bytes(), []byte(text))
}

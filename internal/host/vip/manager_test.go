package vip_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/vip"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

var both = want("10.1.0.100", "eth0", "fd00:1::100", "eth0")

func TestSetAndClose(t *testing.T) {
	s := newFixture(t)
	m := s.manager(io.Discard)
	must(t, m.Set(both))
	s.wantAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
	for _, st := range m.Status() {
		if !st.Added || st.Err != nil {
			t.Errorf("%v: added is %v, error %v", st.Address, st.Added, st.Err)
		}
	}
	must(t, m.Set(both[1:]))
	s.wantAddrs("eth0", "fd00:1::100/128")
	must(t, m.Set(both))
	must(t, m.Close())
	s.wantAddrs("eth0")
	must(t, m.Close())
	keeper := s.manager(io.Discard)
	must(t, keeper.Set(both))
	must(t, keeper.Close(both[0]))
	s.wantAddrs("eth0", "10.1.0.100/32")
	if err := m.Set(both); !errors.Is(err, vip.ErrClosed) {
		t.Errorf("setting on a closed manager: %v", err)
	}
}

// TestVIPIsNoSource: the director connects to others from its own address.
func TestVIPIsNoSource(t *testing.T) {
	s := newFixture(t)
	must(t, s.manager(io.Discard).Set(both))
	for remote, own := range map[string]string{"10.1.0.2:9": "10.1.0.1", "[fd00:1::2]:9": "fd00:1::1"} {
		c, err := s.director.Dial(t.Context(), "udp", remote)
		must(t, err)
		if host, _, _ := net.SplitHostPort(c.LocalAddr().String()); host != own {
			t.Errorf("to %s it speaks as %s, want %s", remote, host, own)
		}
		_ = c.Close()
	}
}

func TestNeighboursLearn(t *testing.T) {
	s := newFixture(t)
	director := s.mac(s.director, "eth0")
	before := net.HardwareAddr{2, 0, 0, 0, 0, 99} // the director that has died
	for _, a := range both {
		s.believe(a.Addr.String(), before)
	}
	must(t, s.manager(io.Discard).Set(both))
	for _, a := range both {
		wait.Until(t, "the neighbour's entry of "+a.Addr.String()+" moves", func() bool {
			return s.believed(a.Addr.String()).String() == director.String()
		})
	}
	// The announcement is repeated, for neighbours that missed the first.
	for _, a := range both {
		s.believe(a.Addr.String(), before)
		wait.Until(t, "the announcement of "+a.Addr.String()+" is repeated", func() bool {
			return s.believed(a.Addr.String()).String() == director.String()
		})
	}
}

func TestAdoptedStays(t *testing.T) {
	s := newFixture(t)
	must(t, s.director.AddVIP("eth0", both[0].Addr))
	log := &logBuffer{}
	first, second := s.manager(log), s.manager(io.Discard)
	must(t, first.Set(both))
	must(t, second.Set(both))
	if st := first.Status(); st[0].Added || !st[1].Added {
		t.Errorf("the first manager says %+v", st)
	}
	if n := log.count("was there already"); n != 1 {
		t.Errorf("the address that was there is mentioned %d times", n)
	}
	must(t, second.Close())
	s.wantAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
	must(t, first.Close())
	s.wantAddrs("eth0", "10.1.0.100/32")
}

// TestLeftBehind: the next Manager of the same owner adopts the addresses of a
// killed one, which the test makes by Close with an address to keep. Other owners
// do not touch them.
func TestLeftBehind(t *testing.T) {
	s := newFixture(t)
	must(t, s.director.AddVIP("eth0", netip.MustParseAddr("10.1.0.101")))
	left := append(want("10.1.0.102", "eth0"), both...)
	killed := s.managerOf("/etc/a.cf", io.Discard)
	must(t, killed.Set(left))
	must(t, killed.Close(left...))

	other := s.managerOf("/etc/b.cf", io.Discard)
	must(t, other.Set(both))
	if st := other.Status(); st[0].Added || st[1].Added {
		t.Errorf("another owner takes for its own: %+v", st)
	}
	must(t, other.Close())
	s.wantAddrs("eth0", "10.1.0.100/32", "10.1.0.101/32", "10.1.0.102/32", "fd00:1::100/128")

	log := &logBuffer{}
	next := s.managerOf("/etc/a.cf", log)
	s.wantAddrs("eth0", "10.1.0.100/32", "10.1.0.101/32", "10.1.0.102/32", "fd00:1::100/128")
	must(t, next.Set(append(want("10.1.0.101", "eth0"), both...)))
	s.wantAddrs("eth0", "10.1.0.100/32", "10.1.0.101/32", "fd00:1::100/128")
	for _, st := range next.Status() {
		if st.Added != slices.Contains(both, st.Address) || st.Err != nil {
			t.Errorf("%v: added is %v, error %v", st.Address, st.Added, st.Err)
		}
	}
	if log.count("of a former run") != 3 || log.count("was there already") != 1 {
		t.Errorf("the log says %s", &log.buf)
	}
	must(t, next.Close())
	s.wantAddrs("eth0", "10.1.0.101/32")
}

// TestClear: Clear removes the addresses that a killed Manager has left, and
// nothing while a Manager with the same mark runs, here one of the same owner.
func TestClear(t *testing.T) {
	s := newFixture(t)
	must(t, s.director.AddVIP("eth0", netip.MustParseAddr("10.1.0.101")))
	left := want("10.1.0.102", "eth0")
	clear := func() {
		t.Helper()
		must(t, s.director.Do(func() error { return vip.Clear(slog.New(slog.DiscardHandler), "/etc/a.cf") }))
	}
	killed := s.managerOf("/etc/a.cf", io.Discard)
	must(t, killed.Set(left))
	clear()
	s.wantAddrs("eth0", "10.1.0.101/32", "10.1.0.102/32")
	second := s.managerOf("/etc/a.cf", io.Discard)
	must(t, second.Set(nil))
	s.wantAddrs("eth0", "10.1.0.101/32", "10.1.0.102/32")
	must(t, second.Close())
	must(t, killed.Close(left...))
	clear()
	s.wantAddrs("eth0", "10.1.0.101/32")
	clear()
	s.wantAddrs("eth0", "10.1.0.101/32")
}

// TestRemovedAddressIsAddedAgain: an address that another program removes is added again.
// On lo nothing is announced, so that only the kernel's report starts that.
func TestRemovedAddressIsAddedAgain(t *testing.T) {
	s := newFixture(t)
	must(t, s.manager(io.Discard).Set(want("10.1.0.100", "lo", "fd00:1::100", "lo")))
	s.in(s.director, func() error {
		l, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return errors.Join(netlink.AddrDel(l, rtnl.Bare(both[0].Addr)), netlink.AddrDel(l, rtnl.Bare(both[1].Addr)))
	})
	s.eventuallyAddrs("lo", "127.0.0.1/8", "::1/128", "10.1.0.100/32", "fd00:1::100/128")
}

// TestLateLink: a link that comes later, goes, and returns.
func TestLateLink(t *testing.T) {
	s := newFixture(t)
	log := &logBuffer{}
	m := s.manager(log)
	late := want("10.1.0.100", "late0", "fd00:1::100", "late0")
	err := m.Set(append(late, both...))
	if err == nil || !strings.Contains(err.Error(), "put 10.1.0.100 on late0: there is no such link yet") {
		t.Errorf("without the link Set says %v", err)
	}
	s.wantAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
	if st := m.Status(); len(st) != 4 || st[0].Err != nil || st[2].Err == nil {
		t.Errorf("status is %+v", st)
	}
	for range 2 {
		link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "late0"}}
		s.in(s.director, func() error { return netlink.LinkAdd(link) })
		s.eventuallyAddrs("late0", "10.1.0.100/32", "fd00:1::100/128")
		s.in(s.director, func() error { return netlink.LinkDel(link) })
		wait.Until(t, "the link is missed", func() bool {
			st := m.Status()
			return st[2].Err != nil && st[3].Err != nil
		})
	}
	if n := log.count("virtual address is missing"); n != 4 {
		t.Errorf("4 losses are mentioned %d times:\n%s", n, &log.buf)
	}
	must(t, m.Close())
	s.wantAddrs("eth0")
}

// TestLinkDownAndUp: the kernel drops IPv6 addresses of a link that goes down.
func TestLinkDownAndUp(t *testing.T) {
	s := newFixture(t)
	must(t, s.manager(io.Discard).Set(both))
	set := func(change func(netlink.Link) error) {
		s.in(s.director, func() error {
			l, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return change(l)
		})
	}
	set(netlink.LinkSetDown)
	for _, a := range both {
		s.believe(a.Addr.String(), net.HardwareAddr{2, 0, 0, 0, 0, 99})
	}
	set(netlink.LinkSetUp)
	s.eventuallyAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
	director := s.mac(s.director, "eth0")
	for _, a := range both {
		wait.Until(t, a.Addr.String()+" is announced again", func() bool {
			return s.believed(a.Addr.String()).String() == director.String()
		})
	}
}

// TestSetAgainWritesNothing calls Set with equal addresses without the right to
// write.
func TestSetAgainWritesNothing(t *testing.T) {
	s := newFixture(t)
	m := s.manager(io.Discard)
	must(t, m.Set(both))
	withoutRights(t, func() {
		if err := m.Set(both); err != nil {
			t.Errorf("setting the same again: %v", err)
		}
		err := m.Set(both[:1])
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "take away fd00:1::100 on eth0: operation not permitted (it needs CAP_NET_ADMIN)") {
			t.Errorf("a change without the right to it: %v", err)
		}
	})
	// The goroutine of m has the right, and does the work.
	s.eventuallyAddrs("eth0", "10.1.0.100/32")
}

func TestWithoutTheRightToAnnounce(t *testing.T) {
	log := &logBuffer{}
	withoutRights(t, func() {
		m, err := vip.New(slog.New(slog.NewTextHandler(log, nil)), "test")
		if err != nil {
			t.Error(err)
			return
		}
		_ = m.Close()
	})
	if log.count("level=WARN") != 1 || log.count("will not be announced") != 1 || log.count("CAP_NET_RAW") != 1 {
		t.Errorf("the log says %s", &log.buf)
	}
}

// TestOneRightIsEnough: a Manager needs CAP_NET_ADMIN alone, from New to Close.
func TestOneRightIsEnough(t *testing.T) {
	s := newFixture(t)
	var m *vip.Manager
	_ = s.director.Do(func() (err error) {
		if err = limit(1 << unix.CAP_NET_ADMIN); err != nil {
			t.Error(err)
			return err
		}
		if m, err = vip.New(slog.New(slog.DiscardHandler), "test"); err == nil {
			err = m.Set(both)
		}
		if err != nil {
			t.Error(err)
		}
		return err // the thread cannot go home and ends
	})
	s.wantAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
	if m != nil {
		must(t, m.Close())
		s.wantAddrs("eth0")
	}
}

// withoutRights runs fn on a thread that has no capabilities.
func withoutRights(t *testing.T, fn func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // and ends with the goroutine
		if err := limit(0); err != nil {
			t.Error(err)
			return
		}
		fn()
	})
	wg.Wait()
}

// limit drops all capabilities of the calling thread but those of a set of bits.
func limit(bits uint32) error {
	caps := [2]unix.CapUserData{{Effective: bits, Permitted: bits}}
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0])
}

func TestNoSuchAddress(t *testing.T) {
	s := newFixture(t)
	m := s.manager(io.Discard)
	err := m.Set(append(want("0.0.0.0", "eth0", "10.1.0.100", "", "::ffff:10.1.0.1", "eth0", "fe80::1%eth0", "eth0", "ff02::5", "eth0"), both...))
	if n := len(strings.Split(err.Error(), "\n")); n != 5 {
		t.Errorf("%d of 5 addresses are refused: %v", n, err)
	}
	s.wantAddrs("eth0", "10.1.0.100/32", "fd00:1::100/128")
}

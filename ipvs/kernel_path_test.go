//go:build kernel

package ipvs

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall" //nolint:depguard // net.Dialer.Control is declared with syscall.RawConn
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
)

// pathsTo are paths with one mark after the other.
func pathsTo(servers []dataplane.RealServer, six bool) (all []dataplane.Path) {
	for i, r := range servers {
		all = append(all, dataplane.Path{Mark: dataplane.FirstPathMark + uint32(i), IPv6: six, Server: r})
	}
	return all
}

// byVIP makes the second part of a check on the director, the first having
// succeeded, and returns what it says.
func (s *fixture) byVIP(p dataplane.Path, vip string) (said string) {
	well := func(context.Context, checks.Target) error { return nil }
	blind := func(err error) { said = "blind: " + err.Error() }
	path := checks.Path{Mark: p.Mark, VIP: netip.MustParseAddrPort(vip), Tunnel: p.Server.Forward == dataplane.IPIP}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.director.Do(func() error {
		return checks.ByVIP(well, path, blind)(ctx, checks.Target{Addr: p.Server.Addr})
	})
	if err != nil {
		return err.Error()
	}
	return said
}

// greeted returns the greeting that comes by a mark, from another address than the
// VIP.
func (s *fixture) greeted(mark uint32, from, vip string) (said string) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	d.Control = func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) })
		return err
	}
	err := s.director.Do(func() error {
		c, err := d.DialContext(context.Background(), "tcp", vip)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 1)
		_, err = c.Read(b)
		said = string(b)
		return err
	})
	if err != nil {
		return err.Error()
	}
	return said
}

// TestPaths checks gate and ipip servers by their VIP, which the director has as
// well: each path leads to its real server, and what is wrong there has its words.
func TestPaths(t *testing.T) {
	const vip, vip6 = "10.2.0.100:80", "[fd00:2::100]:80"
	for _, forward := range []dataplane.Forward{dataplane.Gate, dataplane.IPIP} {
		t.Run(forward.String(), func(t *testing.T) {
			s := newFixture(t, forward)
			s.serve(t, vip, vip6)
			d := s.open(t)
			all := slices.Concat(pathsTo(reals(forward, false, 80), false), pathsTo(reals(forward, true, 80), true))
			must(t, d.SetPaths(t.Context(), all))
			wrote := d.Writes()
			must(t, d.SetPaths(t.Context(), all))
			if d.Writes() != wrote {
				t.Errorf("%d changes for paths that were there", d.Writes()-wrote)
			}
			// A service beside them takes what has no mark.
			must(t, d.Apply(t.Context(), dataplane.VirtualService{ID: tcp(vip), Scheduler: "rr", RealServers: reals(forward, false, 80)[2:]}))
			if st, err := d.Snapshot(t.Context()); err != nil || len(st) != 1 {
				t.Errorf("%d services in a snapshot (%v), want 1", len(st), err)
			}
			if drift, err := d.Audit(t.Context()); err != nil || len(drift) > 0 {
				t.Errorf("drift %v (%v), want none", drift, err)
			}

			if got := s.byVIP(all[0], vip); got != "blind: the kernel drops what real servers answer from the VIP 10.2.0.100, which this host has, too: sysctl -w net.ipv4.conf.eth0.accept_local=1" {
				t.Errorf("without accept_local: %q", got)
			}
			must(t, s.director.Sysctl("net.ipv4.conf.eth0.accept_local", "1"))
			for i, want := range []string{"a", "b", "c"} {
				for _, strict := range []string{"0", "1"} {
					must(t, s.director.Sysctl("net.ipv4.conf.eth0.rp_filter", strict))
					if got := s.byVIP(all[i], vip) + s.byVIP(all[3+i], vip6); got != "" {
						t.Errorf("path %d, rp_filter %s: %q", i, strict, got)
					}
				}
				if got := s.greeted(all[i].Mark, "10.2.0.1", vip); got != want {
					t.Errorf("path %d leads to %q, want %q", i, got, want)
				}
				if got := s.greeted(all[i].Mark, "fd00:2::1", vip6); got != want {
					t.Errorf("path %d of IPv6 leads to %q, want %q", i, got, want)
				}
			}
			s.faults(t, all[0], vip)
			s.successor(t, d)
		})
	}
}

// faults breaks the first real server in one way after the other.
func (s *fixture) faults(t *testing.T, p dataplane.Path, vip string) {
	t.Helper()
	r := s.real[0]
	expect := func(what, want string) {
		t.Helper()
		got := s.byVIP(p, vip)
		t.Logf("%s: %s", what, got)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", what, got, want)
		}
	}
	if p.Server.Forward == dataplane.IPIP {
		must(t, r.Sysctl("net.ipv4.conf.tun4.rp_filter", "1"))
		expect("rp_filter", "nothing comes back")
		must(t, r.Sysctl("net.ipv4.conf.tun4.rp_filter", "0"))
		expect("well again", "")
	}
	port := netip.MustParseAddrPort(vip)
	refusing := netip.AddrPortFrom(port.Addr(), 81)
	if got := s.byVIP(p, refusing.String()); !strings.Contains(got, "the service there does not listen on the VIP") {
		t.Errorf("nobody listens on the VIP: %q", got)
	}
	must(t, r.DelAddr("lo", netip.PrefixFrom(port.Addr(), 32)))
	expect("no VIP", "the VIP is not on that real server")
}

// successor removes the paths that d has left when its process was killed, and
// nothing else.
func (s *fixture) successor(t *testing.T, d *Dataplane) {
	t.Helper()
	must(t, d.Close())
	next := s.open(t)
	must(t, next.SetPaths(t.Context(), nil))
	have, err := next.view.services()
	must(t, err)
	if len(have) != 1 {
		t.Errorf("services %v are left, want the one that is not a path", have)
	}
}

//go:build kernel

package ipvs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// serve lets every real server listen on each address, greet with a letter (a, b,
// c) and then send back what it receives.
func (s *fixture) serve(t testing.TB, addrs ...string) {
	t.Helper()
	for i, r := range s.real {
		for _, addr := range addrs {
			ln, err := r.Listen("tcp", addr)
			must(t, err)
			g := &namedListener{Listener: ln, name: string(rune('a' + i))}
			g.work.Go(g.accept)
			t.Cleanup(g.stop)
		}
	}
}

// A namedListener is one listener of a real server.
type namedListener struct {
	net.Listener
	name string
	work sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func (g *namedListener) accept() {
	for {
		c, err := g.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.conns = append(g.conns, c)
		g.mu.Unlock()
		g.work.Go(func() { g.greet(c) })
	}
}

func (g *namedListener) greet(c net.Conn) {
	defer c.Close()
	if _, err := io.WriteString(c, g.name+"\n"); err == nil {
		_, _ = io.Copy(c, c)
	}
}

// stop ends the listener and all its connections.
func (g *namedListener) stop() {
	_ = g.Close()
	g.mu.Lock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.work.Wait()
}

// A visitor is a client's connection that was greeted.
type visitor struct {
	net.Conn
	r    *bufio.Reader
	name string
}

// dial connects from inside a namespace and waits for the greeting.
func dial(in *netlab.Namespace, to string) (*visitor, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := in.Dial(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	v := &visitor{Conn: c, r: bufio.NewReader(c)}
	if v.name, err = v.r.ReadString('\n'); err != nil {
		_ = c.Close()
		return nil, err
	}
	v.name = strings.TrimSpace(v.name)
	return v, nil
}

// alive exchanges a line.
func (v *visitor) alive() error {
	if _, err := io.WriteString(v, "still there?\n"); err != nil {
		return err
	}
	_, err := v.r.ReadString('\n')
	return err
}

// visits connects n times and returns who answered: "abc".
func (s *fixture) visits(t testing.TB, to string, n int) string {
	t.Helper()
	var b strings.Builder
	for range n {
		v, err := dial(s.client, to)
		if err != nil {
			t.Fatalf("connect to %s after %q: %v", to, b.String(), err)
		}
		b.WriteString(v.name)
		_ = v.Close()
	}
	return b.String()
}

// reals are the three real servers, each with the weight 1.
func reals(forward dataplane.Forward, six bool, port uint16) []dataplane.RealServer {
	var out []dataplane.RealServer
	for i := 11; i <= 13; i++ {
		addr := netip.MustParseAddr(fmt.Sprintf("10.2.0.%d", i))
		if six {
			addr = netip.MustParseAddr(fmt.Sprintf("fd00:2::%d", i))
		}
		out = append(out, dataplane.RealServer{Addr: netip.AddrPortFrom(addr, port), Forward: forward, Weight: 1})
	}
	return out
}

// markAll gives every packet that comes to the director a firewall mark.
func markAll(n uint32) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: eth0.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := netlink.QdiscAdd(qdisc); err != nil {
		return fmt.Errorf("add clsact: %w", err)
	}
	edit := netlink.NewSkbEditAction()
	edit.Mark = &n
	return netlink.FilterAdd(&netlink.MatchAll{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: eth0.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		Actions: []netlink.Action{edit},
	})
}

// TestFirewallMarks: one mark stands for two ports, in both families.
func TestFirewallMarks(t *testing.T) {
	for _, forward := range []dataplane.Forward{dataplane.Gate, dataplane.Masq} {
		t.Run(forward.String(), func(t *testing.T) {
			s := newFixture(t, forward)
			must(t, s.director.Do(func() error { return markAll(7) }))
			s.serve(t, ":80", ":443")
			d := s.open(t)
			for _, six := range []bool{false, true} {
				id := dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 7, IPv6: six}
				want := dataplane.VirtualService{ID: id, Scheduler: "rr", RealServers: reals(forward, six, 0)}
				vip := vip4.String()
				if six {
					vip = "[" + vip6.String() + "]"
				}
				must(t, d.Apply(t.Context(), want))
				if got := s.visits(t, vip+":80", 3) + s.visits(t, vip+":443", 3); got != "abcabc" {
					t.Errorf("%v: connections went to %s, want abcabc", id, got)
				}
				want.RealServers = reals(forward, six, 80) // means nothing to gate
				if forward == dataplane.Gate {
					must(t, d.Apply(t.Context(), want))
					if got := s.visits(t, vip+":80", 3) + s.visits(t, vip+":443", 3); got != "abcabc" {
						t.Errorf("%v, real servers with a port: connections went to %s, want abcabc", id, got)
					}
				}
				want.RealServers = reals(forward, six, 0)
				want.Persistent, want.PersistentBits = time.Minute, bitLen(id)
				must(t, d.Apply(t.Context(), want))
				if got := s.visits(t, vip+":80", 2) + s.visits(t, vip+":443", 2); got != strings.Repeat(got[:1], 4) {
					t.Errorf("%v, persistent: connections to two ports went to %s, want one real server", id, got)
				}
				holds(t, d, want)
				must(t, d.Remove(t.Context(), id))
			}
		})
	}
}

// TestEverySchedulerServes goes through all of them in one service.
func TestEverySchedulerServes(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	s.serve(t, ":80")
	d := s.open(t)
	want := dataplane.VirtualService{ID: tcp("10.2.0.100:80"), RealServers: reals(dataplane.Masq, false, 80)}
	for _, scheduler := range schedulers {
		want.Scheduler = scheduler
		must(t, d.Apply(t.Context(), want))
		t.Logf("%s: %s", scheduler, s.visits(t, "10.2.0.100:80", 6))
		holds(t, d, want)
	}
}

// TestHashingFallsBack quiesces the real server that the client is hashed to.
func TestHashingFallsBack(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	s.serve(t, ":80")
	d := s.open(t)
	for _, scheduler := range []string{"sh", "mh"} {
		want := dataplane.VirtualService{ID: tcp("10.2.0.100:80"), Scheduler: scheduler, RealServers: reals(dataplane.Masq, false, 80)}
		must(t, d.Apply(t.Context(), want))
		first := s.visits(t, "10.2.0.100:80", 1)
		want.RealServers[first[0]-'a'].Weight = 0
		must(t, d.Apply(t.Context(), want))
		if got := s.visits(t, "10.2.0.100:80", 3); strings.Contains(got, first) {
			t.Errorf("%s: connections went to %s, %s is quiescent", scheduler, got, first)
		}
	}
}

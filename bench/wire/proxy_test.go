package wire_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/proxy"
)

// TestProxy reads the choices of shunt's own proxy from packets.
func TestProxy(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	s := newSiteHere(t)
	s.echo(t, 8080)
	d := proxy.New(proxy.Options{})
	t.Cleanup(func() { _ = d.Close() })
	for _, six := range []bool{false, true} {
		for scheduler, weights := range map[string][]int{"rr": {1, 1, 1}, "wrr": {2, 1}} {
			t.Run(fmt.Sprintf("ipv6=%v %s", six, scheduler), func(t *testing.T) {
				v := s.service(t, wire.Proxy, "tcp", six, weights...)
				want := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.TCP, Addr: v.Addr}, Scheduler: scheduler}
				for _, r := range v.Reals {
					want.RealServers = append(want.RealServers, dataplane.RealServer{Addr: r.Addr, Forward: dataplane.Masq, Weight: r.Weight})
				}
				must(t, d.Apply(t.Context(), want))
				o := s.watch(t, v, func() {
					s.visit(t, v.Addr, 30)
					s.check(t, v.Reals[0].Addr) // is no choice of the scheduler
					s.visit(t, v.Addr, 30)
				})
				must(t, d.Remove(t.Context(), want.ID))
				t.Logf("%v", o.Sequence())
				good(t, o, scheduler, map[string][]uint64{"rr": {20, 20, 20}, "wrr": {40, 20}}[scheduler])
			})
		}
	}
}

// check connects to a real server from the director, as health checks do.
func (s *site) check(t *testing.T, to netip.AddrPort) {
	t.Helper()
	c, err := s.director.Dial(within(t), "tcp", to.String())
	must(t, err)
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, err = fmt.Fprint(c, "HEAD / HTTP/1.0\r\n")
	must(t, err, c.Close())
}

// TestProxyDatagrams pairs them by what they carry.
func TestProxyDatagrams(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	s := newSiteHere(t)
	d := proxy.New(proxy.Options{})
	t.Cleanup(func() { _ = d.Close() })
	v := s.service(t, wire.Proxy, "udp", false, 1, 1, 1)
	want := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.UDP, Addr: v.Addr}, Scheduler: "rr"}
	for i, r := range v.Reals {
		want.RealServers = append(want.RealServers, dataplane.RealServer{Addr: r.Addr, Forward: dataplane.Masq, Weight: 1})
		pc, err := s.real[i].ListenPacket("udp", r.Addr.String())
		must(t, err)
		done := make(chan struct{})
		go func() { defer close(done); mirror(pc) }()
		t.Cleanup(func() { _ = pc.Close(); <-done })
	}
	must(t, d.Apply(t.Context(), want))
	o := s.watch(t, v, func() { s.flood(t, v, 300) })
	got := o.Scheduler("proxy", "lc")
	if got.Verdict != "ok" || !slices.Equal(got.Got, []uint64{100, 100, 100}) {
		t.Errorf("got %v: %s", got.Got, got.Verdict)
	}
	if r := o.Rewrite("proxy"); r.Verdict != "ok" {
		t.Error(r.Verdict)
	}
}

func mirror(pc net.PacketConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = pc.WriteTo(b[:n], from)
	}
}

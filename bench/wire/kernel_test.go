//go:build kernel

package wire_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
)

// equipIPVS makes the site's director one of the kernel's.
func (s *site) equipIPVS(t *testing.T) *ipvs.Dataplane {
	t.Helper()
	s.rate = 500 // an emulated processor
	must(t, s.director.AddVIP("eth0", vip4.Addr()), s.director.AddVIP("eth0", vip6.Addr()), s.director.Forward(),
		// Answers to crafted packets have to find the client.
		s.director.Route(netip.MustParsePrefix("10.1.64.0/18"), netip.MustParseAddr("10.1.0.2")),
		s.director.Route(netip.MustParsePrefix("fd00:1:0:64::/64"), netip.MustParseAddr("fd00:1::2")))
	var d *ipvs.Dataplane
	must(t, s.director.Do(func() (err error) {
		d, err = ipvs.New(ipvs.Options{})
		return err
	}))
	t.Cleanup(func() { _ = d.Close() })
	for i := range s.real {
		for _, to := range []string{"10.2.0.%d", "fd00:2::%d"} {
			_, err := wire.NextHop(within(t), s.director, netip.MustParseAddr(fmt.Sprintf(to, 11+i)))
			must(t, err)
		}
	}
	for _, to := range []string{"10.1.0.2", "fd00:1::2"} {
		_, err := wire.NextHop(within(t), s.director, netip.MustParseAddr(to))
		must(t, err)
	}
	return d
}

var forwards = map[string]dataplane.Forward{wire.Gate: dataplane.Gate, wire.Masq: dataplane.Masq, wire.IPIP: dataplane.IPIP}

// virtual is what the dataplane is to do of the service.
func virtual(v wire.Service, scheduler string) dataplane.VirtualService {
	out := dataplane.VirtualService{
		ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: v.Addr},
		Scheduler: scheduler,
	}
	if v.Protocol == "udp" {
		out.ID.Protocol = dataplane.UDP
	}
	for _, r := range v.Reals {
		out.RealServers = append(out.RealServers, dataplane.RealServer{Addr: r.Addr, Forward: forwards[v.Method], Weight: r.Weight})
	}
	return out
}

// TestIPVS reads the kernel's choices and rewrites from packets: those of wrr
// with IPv4, and of rr with IPv6.
func TestIPVS(t *testing.T) {
	s := newFixture(t)
	d := s.equipIPVS(t)
	for _, method := range []string{wire.Masq, wire.Gate, wire.IPIP} {
		s.chooses(t, d, method, false, "wrr", []int{2, 1}, []uint64{60, 30})
		s.chooses(t, d, method, true, "rr", []int{1, 1, 1}, []uint64{30, 30, 30})
	}
}

func (s *site) chooses(t *testing.T, d *ipvs.Dataplane, method string, six bool, scheduler string, weights []int, got []uint64) {
	t.Run(fmt.Sprintf("%s ipv6=%v %s", method, six, scheduler), func(t *testing.T) {
		v := s.service(t, method, "tcp", six, weights...)
		want := virtual(v, scheduler)
		must(t, d.Apply(t.Context(), want))
		o := s.watch(t, v, func() { s.flood(t, v, 90) })
		must(t, d.Remove(t.Context(), want.ID))
		show(t, o, scheduler)
		good(t, o, scheduler, got)
		must(t, o.Save(filepath.Join(t.TempDir(), "packets.pcapng")))
	})
}

// TestIPVSConnections observes whole connections, both ways.
func TestIPVSConnections(t *testing.T) {
	s := newFixture(t)
	d := s.equipIPVS(t)
	s.echo(t, 8080)
	v := s.service(t, wire.Masq, "tcp", false, 2, 1)
	must(t, d.Apply(t.Context(), virtual(v, "wrr")))
	o := s.watch(t, v, func() { s.visit(t, v.Addr, 12) })
	show(t, o, "wrr")
	good(t, o, "wrr", []uint64{8, 4})
}

// TestIPVSHashing: sources keep to their real servers, and few of them move when
// one is removed.
func TestIPVSHashing(t *testing.T) {
	s := newFixture(t)
	d := s.equipIPVS(t)
	v := s.service(t, wire.Gate, "udp", false, 1, 1, 1)
	want := virtual(v, "mh")
	must(t, d.Apply(t.Context(), want))
	before := s.watch(t, v, func() { s.flood(t, v, 1300) })
	want.RealServers = want.RealServers[:2]
	must(t, d.Apply(t.Context(), want))
	after := s.watch(t, v, func() { s.flood(t, v, 1000) })
	got := before.Scheduler("ipvs", "mh")
	moved := wire.Moved(before, after, 2)
	t.Logf("%v, %.1f %% sticky, %.1f %% of the others moved: %s", got.Got, 100**got.Sticky, 100*moved, got.Verdict)
	if got.Verdict != "ok" || moved > 0.05 {
		t.Errorf("%.3f of the sources moved though their real server stayed: %s", moved, got.Verdict)
	}
}

func show(t *testing.T, o *wire.Observation, scheduler string) {
	t.Helper()
	s := o.Scheduler("ipvs", scheduler)
	t.Logf("%d packets seen, %s", o.Packets(), s.Verdict)
	t.Logf("%s %v got %v expected %v lost %d dropped %d", s.Name, s.Weights, s.Got, s.Expected, s.Lost, s.Dropped)
	t.Logf("sequence %v", s.Sequence)
	t.Logf("rule     %v", s.Rule)
	for _, q := range s.Added {
		t.Logf("%5.1f %% within %v", 100*q.Share, time.Duration(q.Seconds*1e9))
	}
	for _, f := range o.Rewrite("ipvs").Fields {
		t.Logf("%-24s %-28s %-36s %s: %v", f.Name, f.Before, f.After, f.Promise, f.Kept)
	}
}

package wire_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/wire"
)

// TestMovedSourcesAreFoundOut: sources change their real server.
func TestMovedSourcesAreFoundOut(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	v := s.service(t, wire.Gate, "udp", false, 1, 1, 1)
	by := func(a netip.Addr) int { return int(a.As4()[3]) }
	observe := func(name string, choose func(n int, a netip.Addr) int) (o *wire.Observation) {
		t.Run(name, func(t *testing.T) {
			s.forward(t, &forwarder{service: v, choose: choose})
			o = s.watch(t, v, func() { s.flood(t, v, 2000) })
		})
		return o
	}
	loyal := observe("loyal", func(_ int, a netip.Addr) int { return by(a) % 3 })
	// In the second thousand the first hundred sources go elsewhere.
	fickle := observe("fickle", func(n int, a netip.Addr) int {
		if n >= 1000 && n < 1100 {
			return (by(a) + 1) % 3
		}
		return by(a) % 3
	})
	gone := observe("gone", func(_ int, a netip.Addr) int { return by(a) % 2 })

	if got := loyal.Scheduler("test", "sh"); got.Verdict != "ok" || *got.Sticky != 1 {
		t.Errorf("sticky %v: %s", *got.Sticky, got.Verdict)
	}
	if got := fickle.Scheduler("test", "sh"); !strings.Contains(got.Verdict, "sources did not keep") || *got.Sticky != 0.9 {
		t.Errorf("sticky %v: %s", *got.Sticky, got.Verdict)
	}
	// Of the sources by 0 and 1 modulo 3 half are another one modulo 2.
	if got := wire.Moved(loyal, gone, 2); got < 0.45 || got > 0.55 {
		t.Errorf("moved %v, want one half", got)
	}
	if got := wire.Moved(loyal, loyal, 2); got != 0 {
		t.Errorf("moved %v, want nothing", got)
	}
}

// TestLimit keeps the observer's memory within bounds, and says so.
func TestLimit(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	v := s.service(t, wire.Gate, "udp", false, 1, 1, 1)
	w, err := wire.Watch(wire.Options{Service: v, Limit: 100}, wire.Point{In: s.director, Link: "eth0", Real: wire.Director})
	must(t, err)
	s.flood(t, v, 300)
	o, err := w.Stop(within(t))
	must(t, err)
	if got := o.Scheduler("test", "lc"); o.Packets() != 100 || o.Dropped() != 200 || !strings.Contains(got.Verdict, "200 packets missed by the observer") {
		t.Errorf("%d kept, %d dropped: %s", o.Packets(), o.Dropped(), got.Verdict)
	}
}

// TestNothingSeen: an observation of nothing is no success.
func TestNothingSeen(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	for _, method := range []string{wire.Gate, wire.Proxy} {
		v := s.service(t, method, "tcp", false, 1)
		o := s.watch(t, v, func() {})
		if got := o.Scheduler("test", "rr").Verdict; got != "no connection was seen on both sides" {
			t.Errorf("scheduler: %s", got)
		}
		if got := o.Rewrite("test").Verdict; got != "no packet was seen on both sides" {
			t.Errorf("rewrite: %s", got)
		}
		if got := o.Added(); got != nil {
			t.Errorf("added latency %v", got)
		}
	}
}

// TestStopDoesNotWaitForEver stops while packets still come.
func TestStopDoesNotWaitForEver(t *testing.T) {
	s := newFixture(t)
	v := s.service(t, wire.Gate, "udp", false, 1)
	w, err := wire.Watch(wire.Options{Service: v, Settle: time.Hour}, s.points()...)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestWatchSaysWhatItCannotWatch(t *testing.T) {
	s := newFixture(t)
	points := append(s.points(), wire.Point{In: s.client, Link: "eth7"})
	_, err := wire.Watch(wire.Options{Service: s.service(t, wire.Gate, "udp", false, 1)}, points...)
	if err == nil || !strings.Contains(err.Error(), "watch client:eth7: ") {
		t.Errorf("got %v", err)
	}
	if err := wire.Plain(s.client, "eth7"); err == nil || !strings.Contains(err.Error(), "client:eth7") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := wire.NextHop(ctx, s.client, netip.MustParseAddr("10.1.0.77")); err == nil || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("got %v", err)
	}
}

// TestGateNeedsAddresses: real servers have to be distinguishable, by their
// addresses or by their links.
func TestGateNeedsAddresses(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	v := s.service(t, wire.Gate, "udp", false, 1, 1, 1)
	for i := range v.Reals {
		v.Reals[i].MAC = nil
	}
	front := s.points()[:2]
	if _, err := wire.Watch(wire.Options{Service: v}, front...); err == nil || !strings.Contains(err.Error(), "10.2.0.11") {
		t.Errorf("nothing tells the real servers apart: %v", err)
	}
	full := s.service(t, wire.Gate, "udp", false, 1, 1, 1)
	s.forward(t, &forwarder{service: full, choose: inTurn(0, 1, 2)})
	good(t, s.watch(t, v, func() { s.flood(t, v, 30) }), "rr", []uint64{10, 10, 10})
}

package wire_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/wire"
)

// TestGoodDirector finds nothing wrong where nothing is, with each method,
// family and protocol.
func TestGoodDirector(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	for _, method := range []string{wire.Gate, wire.Masq, wire.IPIP} {
		for _, six := range []bool{false, true} {
			for _, protocol := range []string{"tcp", "udp"} {
				if method != wire.Masq && six == (protocol == "tcp") {
					continue // what the methods that rewrite no port do is the same for both
				}
				t.Run(fmt.Sprintf("%s ipv6=%v %s", method, six, protocol), func(t *testing.T) {
					v := s.service(t, method, protocol, six, 2, 1, 1)
					s.forward(t, &forwarder{service: v, choose: inTurn(0, 0, 1, 2)})
					o := s.watch(t, v, func() { s.flood(t, v, 400) })
					good(t, o, "wrr", []uint64{200, 100, 100})
				})
			}
		}
	}
}

// TestOneArm tells what comes from what goes on one link.
func TestOneArm(t *testing.T) {
	onHost(t)
	s := newOneArm(t)
	for _, method := range []string{wire.Gate, wire.Masq, wire.IPIP} {
		t.Run(method, func(t *testing.T) {
			v := s.service(t, method, "udp", false, 1, 1, 1)
			s.forward(t, &forwarder{service: v, choose: inTurn(0, 1, 2)})
			good(t, s.watch(t, v, func() { s.flood(t, v, 300) }), "rr", []uint64{100, 100, 100})
		})
	}
}

func good(t *testing.T, o *wire.Observation, scheduler string, want []uint64) {
	t.Helper()
	got := o.Scheduler("test", scheduler)
	if got.Verdict != "ok" || !slices.Equal(got.Got, want) {
		t.Errorf("%s: got %v, want %v; %s", scheduler, got.Got, want, got.Verdict)
	}
	if len(got.Added) != 5 || got.Added[0].Seconds <= 0 {
		t.Errorf("added latency %v", got.Added)
	}
	if r := o.Rewrite("test"); r.Verdict != "ok" || r.Packets == 0 {
		t.Errorf("rewrite of %d packets: %s", r.Packets, r.Verdict)
	}
}

// many is how many connections a broken director is given.
const many = 3000

// wrongs are directors and what has to be said of them.
var wrongs = []struct {
	name, method       string
	broken             *forwarder
	scheduler, rewrite string // what is said of it
}{
	{
		"one in ten goes elsewhere", wire.Masq,
		&forwarder{choose: inTurn(0, 1, 2, 0, 1, 2, 0, 1, 2, 2)},
		"connection 10 of 3000 went to real server 2, by the rule it is for 0; distribution [900 900 1200], expected", "ok",
	},
	{
		"two change places in a thousand", wire.Gate,
		&forwarder{choose: func(n int, _ netip.Addr) int { return (n + swapped(n)) % 3 }},
		"connection 1000 of 3000 went to real server 1, by the rule it is for 0", "ok",
	},
	{
		"one in a thousand lost", wire.Masq, &forwarder{choose: inTurn(0, 1, 2), lose: 1000},
		"3 packets lost in the director", "ok",
	},
	{
		"TTL kept", wire.Masq,
		&forwarder{choose: inTurn(0, 1, 2), tamper: every(100, func(h *headers) { h.addTTL(1) })},
		"ok", "TTL not one less in 30 of 3000 packets",
	},
	{
		"wrong checksum", wire.Gate,
		&forwarder{choose: inTurn(0, 1, 2), spoil: func(frame []byte) { frame[14+20+16] ^= 1 }},
		"ok", "checksums not right in 3000 of 3000 packets",
	},
	{
		"wrong MAC", wire.Masq,
		&forwarder{choose: inTurn(0, 1, 2), tamper: every(1000, func(h *headers) { h.eth.DstMAC = []byte{2, 0, 0, 0, 0, 9} })},
		"3 packets not seen where they were sent", "destination MAC not the real server's in 3 of 3000 packets",
	},
	{
		"wrong MAC, by gate", wire.Gate,
		&forwarder{choose: inTurn(0, 1, 2), tamper: every(1000, func(h *headers) { h.eth.DstMAC = []byte{2, 0, 0, 0, 0, 9} })},
		"went to real server -1", "destination MAC not the real server's in 3 of 3000 packets",
	},
	{
		"wrong port", wire.Masq,
		&forwarder{choose: inTurn(0, 1, 2), tamper: every(3000, func(h *headers) { h.tcp.DstPort = 80 })},
		"1 connections to no real server", "destination port not rewritten to the real server's in 1 of 3000 packets",
	},
	{
		"bare where a tunnel is promised", wire.IPIP,
		&forwarder{choose: inTurn(0, 1, 2), tamper: every(1500, func(h *headers) { h.outer = nil })},
		"ok", "encapsulation not from the director to the real server in 2 of 3000 packets",
	},
}

// every harms one packet in k.
func every(k int, fn func(h *headers)) func(h *headers) {
	var i int
	return func(h *headers) {
		if i++; i%k == 0 {
			fn(h)
		}
	}
}

// TestBrokenDirector: each measure finds the fault that it is for.
func TestBrokenDirector(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	for _, c := range wrongs {
		t.Run(c.name, func(t *testing.T) {
			v := s.service(t, c.method, "tcp", false, 1, 1, 1)
			c.broken.service = v
			s.forward(t, c.broken)
			o := s.watch(t, v, func() { s.flood(t, v, many) })
			said(t, "scheduler", o.Scheduler("test", "rr").Verdict, c.scheduler)
			said(t, "rewrite", o.Rewrite("test").Verdict, c.rewrite)
		})
	}
}

func swapped(n int) int {
	switch n % 1000 {
	case 999:
		return 1
	case 0:
		if n > 0 {
			return 2
		}
	}
	return 0
}

func said(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) || want == "ok" && got != "ok" {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestAddedLatency compares a director with one that holds packets back.
func TestAddedLatency(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	s.rate = 500 // or what a busy machine measures is how long packets wait for each other
	v := s.service(t, wire.Masq, "udp", false, 1, 1, 1)
	median := func(delay time.Duration) (q result.Quantile) {
		t.Run(delay.String(), func(t *testing.T) {
			s.forward(t, &forwarder{service: v, choose: inTurn(0, 1, 2), delay: delay})
			q = s.watch(t, v, func() { s.flood(t, v, 200) }).Added()[0]
		})
		return q
	}
	slow := median(5 * time.Millisecond)
	if slow.Seconds < 0.005 {
		t.Errorf("median %v s, want 5 ms at least", slow.Seconds)
	}
	// A busy machine may hold packets back for as long by itself.
	for range 20 {
		quick := median(0)
		t.Logf("median %v s with a delay, %v s without", slow.Seconds, quick.Seconds)
		if quick.Seconds < 0.005 {
			return
		}
	}
	t.Error("no median below 5 ms without a delay")
}

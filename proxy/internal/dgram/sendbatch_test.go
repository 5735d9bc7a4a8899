package dgram

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

func times(n, size int) []int { return slices.Repeat([]int{size}, n) }

var bursts = map[string][]int{
	"one":              {64},
	"equal":            times(10, 64),
	"last is shorter":  append(times(5, 100), 50),
	"shorter within":   {100, 100, 50, 100, 50, 50},
	"longer follows":   {100, 100, 200, 200, 100},
	"empty":            {0, 0, 0},
	"empty in a run":   {10, 10, 0, 10, 10, 0},
	"a full batch":     times(64, 32),
	"more than that":   times(150, 32),
	"too much for one": {40000, 40000, 20000},
	"largest":          {65507, 65507, 1},
	"exactly as much":  append(times(2, maxRun/2), 1, 1),
}

// Datagrams arrive whole and in order, whatever is made of runs of them.
func TestRuns(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for name, sizes := range bursts {
			for _, refused := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/refused=%t", host, name, refused), func(t *testing.T) {
					there(t, host, sizes, refused)
				})
			}
		}
	}
}

// there sends a burst there and back again.
func there(t *testing.T, host string, sizes []int, refused bool) {
	q := newFixture(t, host, 10)
	s := q.socket(host)
	q.service.Books.Update(spec(addrOf(s)))
	c := q.client()
	from := q.ask(c, s, "first")
	if refused {
		f := q.h.flows.at(0)
		q.Must(refuseRuns(f.fd))
		q.Must(refuseRuns(q.port.fd))
	}
	for range 2 {
		q.burst(c, netip.AddrPort{}, sizes)
		if got := q.wantBurst(s, sizes); got != from {
			t.Errorf("the flow has moved from %v to %v", from, got)
		}
		q.burst(s, from, sizes)
		q.wantBurst(c, sizes)
	}
	q.Pass(2 * engine.TickLength)
	count := q.service.Books.Status().Counters
	if n := uint64(2 * len(sizes)); count.InPackets != n+1 || count.OutPackets != n {
		t.Errorf("%d datagrams in and %d out are counted, want %d and %d", count.InPackets, count.OutPackets, n+1, n)
	}
}

func TestRunsOfAnySize(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	c := q.client()
	from := q.ask(c, s, "first")
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 7, 8, 1200, 1400, 9000}), 1, 100).Draw(t, "sizes")
		q.burst(c, netip.AddrPort{}, sizes)
		q.wantBurst(s, sizes)
		q.burst(s, from, sizes)
		q.wantBurst(c, sizes)
	})
}

// TestRunArrives: a run arrives at the proxy as one, and as datagrams at the server.
func TestRunArrives(t *testing.T) {
	for _, refused := range []bool{false, true} {
		q := newFixture(t, "127.0.0.1", 10)
		s := q.socket("127.0.0.1")
		q.service.Books.Update(spec(addrOf(s)))
		c := q.client()
		from := q.ask(c, s, "first")
		if refused {
			q.Must(refuseRuns(q.h.flows.at(0).fd))
			q.Must(refuseRuns(q.port.fd))
		}
		const size, count, last = 1000, 20, 300
		whole := numbered(0, size*count+last)
		q.writeRun(c, whole, size)
		got := ""
		for i := range count + 1 {
			b, _ := q.read(s)
			if want := size; len(b) != want && i < count {
				t.Fatalf("datagram %d has %d bytes, want %d", i, len(b), want)
			}
			got += string(b)
			_, err := s.WriteToUDPAddrPort(b, from)
			q.Must(err)
		}
		if got != string(whole) {
			t.Error("the run has changed on its way")
		}
		got = ""
		for range count + 1 {
			b, _ := q.read(c)
			got += string(b)
		}
		if got != string(whole) {
			t.Error("the answers have changed on their way")
		}
	}
}

// A run is taken apart where every datagram is to be scheduled by itself.
func TestRunOfOnePacket(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	a, b := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(a), addrOf(b)))
	q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: engine.Longest, IdleTimeout: engine.Longest}, OnePacket: true})
	c := q.client()
	q.writeRun(c, []byte("aabbaabba"), 2)
	for i, want := range []string{"aa", "bb", "aa", "bb", "a"} {
		if got, _ := q.read([]*net.UDPConn{a, b}[i%2]); string(got) != want {
			t.Errorf("datagram %d is %q, want %q", i, got, want)
		}
	}
	if q.flows() != 2 {
		t.Errorf("%d flows, want one to each real server", q.flows())
	}
}

// The sorry server answers each datagram of a run.
func TestRunAnsweredBySorry(t *testing.T) {
	q := newFixture(t, "::1", 10)
	v := spec()
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	q.service.Books.Update(v)
	q.service.Answer = func(b []byte) []byte { return append([]byte("sorry for "), b...) }
	c := q.client()
	q.writeRun(c, []byte("aabbc"), 2)
	for _, want := range []string{"aa", "bb", "c"} {
		if got, _ := q.read(c); string(got) != "sorry for "+want {
			t.Errorf("answer %q, want one for %q", got, want)
		}
	}
	if got := q.service.Books.Status().Counters; got.InPackets != 3 || got.OutPackets != 3 || q.flows() != 0 {
		t.Errorf("counted %+v and %d flows, want three each way and none", got, q.flows())
	}
}

package table_test

import (
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

func persistent(keep time.Duration, bits int, weights ...int) dataplane.VirtualService {
	v := service("rr", weights...)
	v.Persistent, v.PersistentBits = keep, bits
	return v
}

func from(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 4711) }

// visit is a connection that is over at once.
func visit(t *testing.T, s *table.Service, addr string) string {
	t.Helper()
	c, ok := s.Pick(from(addr), nil)
	if !ok {
		t.Fatalf("%s is refused", addr)
	}
	defer c.Done()
	return letter(c)
}

func wantVisit(t *testing.T, s *table.Service, addr, want, when string) {
	t.Helper()
	if got := visit(t, s, addr); got != want {
		t.Errorf("%s: %s goes to %s, want %s", when, addr, got, want)
	}
}

func TestPersistenceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(persistent(time.Minute, 32, 1, 1))
		wantVisit(t, s, "198.51.100.1", "A", "first")
		wantVisit(t, s, "198.51.100.2", "B", "another client")
		for range 3 { // each connection begins the time anew
			time.Sleep(50 * time.Second)
			wantVisit(t, s, "198.51.100.1", "A", "within the time")
		}
		time.Sleep(time.Minute)
		wantVisit(t, s, "198.51.100.9", "A", "the scheduler's turn")
		wantVisit(t, s, "198.51.100.1", "B", "after the time")
	})
}

// A connection holds the pin beyond its time, and no longer.
func TestPersistenceWhileConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(persistent(time.Minute, 32, 1, 1))
		c, _ := s.Pick(from("198.51.100.1"), nil)
		time.Sleep(time.Hour)
		s.Expire()
		if st := s.Status().Servers[0]; st.Persistent != 1 {
			t.Errorf("%d clients pinned to A while connected, want 1", st.Persistent)
		}
		c.Done()
		if table.Pins(s) != 0 {
			t.Error("the pin outlives both its time and its connection")
		}
		c, _ = s.Pick(from("198.51.100.1"), nil)
		time.Sleep(time.Second)
		c.Done()
		wantVisit(t, s, "198.51.100.1", "B", "after a short connection")
	})
}

func TestPersistenceNetmask(t *testing.T) {
	s := table.New(persistent(time.Hour, 24, 1, 1))
	wantVisit(t, s, "198.51.100.1", "A", "first of a network")
	wantVisit(t, s, "198.51.101.1", "B", "another network")
	wantVisit(t, s, "198.51.100.200", "A", "second of the network")

	six := persistent(time.Hour, 64, 1, 1)
	six.ID.Addr = netip.MustParseAddrPort("[2001:db8::1]:80")
	s = table.New(six)
	wantVisit(t, s, "2001:db8:1::1", "A", "first of a network")
	wantVisit(t, s, "2001:db8:2::1", "B", "another network")
	wantVisit(t, s, "2001:db8:1::2", "A", "second of the network")
}

func TestPersistenceAndServers(t *testing.T) {
	s := table.New(persistent(time.Hour, 32, 1, 1))
	visit(t, s, "198.51.100.1")
	s.Update(persistent(time.Hour, 32, 0, 1))
	wantVisit(t, s, "198.51.100.1", "A", "A quiescent")
	s.Update(persistent(time.Hour, 32, 0, 1, 1))
	wantVisit(t, s, "198.51.100.1", "A", "another one added")
	s.Update(persistent(time.Hour, 32, -1, 1))
	wantVisit(t, s, "198.51.100.1", "B", "A removed")
	s.Update(persistent(time.Hour, 32, 1, 1))
	wantVisit(t, s, "198.51.100.1", "B", "A back")
}

// A client that came while its real server was away is free, also if nobody
// could take it.
func TestPersistenceAfterARefusal(t *testing.T) {
	weighed := func(weights ...int) dataplane.VirtualService {
		v := persistent(time.Hour, 32, weights...)
		v.Scheduler = "wlc"
		return v
	}
	s := table.New(weighed(1, 0))
	c, _ := s.Pick(from("198.51.100.1"), nil)
	s.Update(weighed(-1, 0))
	if _, ok := s.Pick(from("198.51.100.1"), nil); ok {
		t.Error("a real server of weight 0 takes a client that it did not have")
	}
	s.Update(weighed(1, 9))
	wantVisit(t, s, "198.51.100.1", "B", "A is back, with a connection still open")
	c.Done()
	wantVisit(t, s, "198.51.100.1", "B", "pinned anew")
}

// A client that was not there while its real server was away has it back.
func TestPersistenceAndServerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(persistent(time.Hour, 32, 1, 1))
		wantVisit(t, s, "198.51.100.1", "A", "first")
		wantVisit(t, s, "198.51.100.2", "B", "another")
		s.Update(persistent(time.Hour, 32, -1, 1))
		s.Expire()
		s.Update(persistent(time.Hour, 32, 1, 1))
		wantVisit(t, s, "198.51.100.1", "A", "A back")
		s.Update(persistent(time.Hour, 32, -1, 1))
		time.Sleep(time.Hour)
		s.Expire()
		if n := table.Leaving(s); n != 0 {
			t.Errorf("%d removed servers are remembered without clients", n)
		}
	})
}

// With ExpireQuiescent a client does not stay at a quiescent server, and not
// where it has connections.
func TestPersistenceExpiresQuiescent(t *testing.T) {
	with := func(weights ...int) dataplane.VirtualService {
		v := persistent(time.Hour, 32, weights...)
		v.ExpireQuiescent = true
		return v
	}
	s := table.New(with(1, 1))
	held, _ := s.Pick(from("198.51.100.1"), nil)
	s.Update(with(0, 1))
	wantVisit(t, s, "198.51.100.1", "B", "A quiescent")
	s.Update(with(1, 1))
	wantVisit(t, s, "198.51.100.1", "B", "A back")
	held.Done()
	if st := s.Status().Servers; st[0].Active != 0 || st[0].Persistent != 0 || st[1].Persistent != 1 {
		t.Errorf("active %d, pinned %d and %d, want 0, 0 and 1", st[0].Active, st[0].Persistent, st[1].Persistent)
	}
	s.Update(with(0, 0))
	if _, ok := s.Pick(from("198.51.100.1"), nil); ok {
		t.Error("with all quiescent a pinned client is taken")
	}
}

// TestPersistenceAfterFailure: a server that could not be reached loses the client.
func TestPersistenceAfterFailure(t *testing.T) {
	s := table.New(persistent(time.Hour, 32, 1, 1))
	a, _ := s.Pick(from("198.51.100.1"), nil)
	a.Failed()
	b, _ := s.Pick(from("198.51.100.1"), []*table.Server{a.Server()})
	b.Done()
	wantVisit(t, s, "198.51.100.1", "B", "after A was not reached")
	if st := s.Status().Servers; st[0].Persistent != 0 || st[1].Persistent != 1 {
		t.Errorf("pinned %d and %d, want 0 and 1", st[0].Persistent, st[1].Persistent)
	}
}

func TestPersistenceNotToSorry(t *testing.T) {
	v := persistent(time.Hour, 32, 0)
	v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addrOf('S'), Weight: 1, Sorry: true})
	s := table.New(v)
	wantVisit(t, s, "198.51.100.1", "S", "A quiescent")
	v = v.Clone()
	v.RealServers[0].Weight = 1
	s.Update(v)
	wantVisit(t, s, "198.51.100.1", "A", "A back")
}

func TestPersistenceOff(t *testing.T) {
	s := table.New(persistent(time.Hour, 32, 1, 1))
	visit(t, s, "198.51.100.1")
	s.Update(persistent(time.Hour, 24, 1, 1))
	if table.Pins(s) != 0 {
		t.Error("pins of another prefix length are kept")
	}
	wantVisit(t, s, "198.51.100.1", "B", "other prefix length")
	s.Update(persistent(0, 24, 1, 1))
	wantVisit(t, s, "198.51.100.1", "A", "switched off")
	wantVisit(t, s, "198.51.100.1", "B", "switched off")
}

// A connection may outlive its pin.
func TestPersistenceOffWhileConnected(t *testing.T) {
	s := table.New(persistent(time.Hour, 32, 1))
	c, _ := s.Pick(from("198.51.100.1"), nil)
	s.Update(persistent(0, 32, 1))
	c.Done()
	if st := s.Status().Servers[0]; st.Persistent != 0 || st.Active != 0 {
		t.Errorf("%d pinned and %d active, want none", st.Persistent, st.Active)
	}
}

func TestPersistenceBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(persistent(time.Hour, 32, 1, 1, 1))
		table.LimitPins(s, 2)
		held, _ := s.Pick(from("198.51.100.1"), nil) // A, and connected
		visit(t, s, "198.51.100.2")                  // B
		wantVisit(t, s, "198.51.100.3", "C", "in place of B's")
		wantVisit(t, s, "198.51.100.1", "A", "still pinned")
		wantVisit(t, s, "198.51.100.3", "C", "still pinned")
		if table.Pins(s) != 2 {
			t.Fatalf("%d clients remembered, want 2", table.Pins(s))
		}
		wantVisit(t, s, "198.51.100.2", "A", "forgotten and scheduled anew")

		other, _ := s.Pick(from("198.51.100.2"), nil) // now both are connected
		c, ok := s.Pick(from("198.51.100.7"), nil)
		if !ok || table.Pins(s) != 2 {
			t.Errorf("with no room for its pin a client is taken: %v; %d pins", ok, table.Pins(s))
		}
		if n := s.Status().Counters.PersistenceOverflow; n != 3 {
			t.Errorf("%d clients are counted as overflow, want .2 and .3, which made room, and .7, which found none", n)
		}
		for _, c := range []table.Claim{held, other, c} {
			c.Done()
		}
		time.Sleep(time.Hour)
		s.Expire()
		if st := s.Status().Servers; table.Pins(s) != 0 || st[0].Persistent+st[1].Persistent+st[2].Persistent != 0 {
			t.Errorf("%d pins left after their time: %+v", table.Pins(s), st)
		}
	})
}

// Many clients that are over at once are let go of in steps.
func TestPersistenceExpiresInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(persistent(time.Minute, 32, 1))
		const clients = 10_000
		for i := range clients {
			c, _ := s.Pick(client(i), nil)
			c.Done()
		}
		time.Sleep(time.Minute)
		left := clients
		for range 3 {
			s.Expire()
			if n := table.Pins(s); n >= left || left-n > 5000 {
				t.Errorf("%d clients were remembered before a step, and %d after", left, n)
			}
			left = table.Pins(s)
		}
		if left != 0 {
			t.Errorf("%d clients are remembered after three steps", left)
		}
	})
}

// BenchmarkPins measures what a client costs whose server is remembered.
func BenchmarkPins(b *testing.B) {
	const clients = 1 << 17
	v := persistent(time.Hour, 128, 1, 1, 1)
	var before, after runtime.MemStats
	for b.Loop() {
		s := table.New(v)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range uint32(clients) {
			a := netip.AddrFrom16([16]byte{0x20, 0x01, 12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
			c, _ := s.Pick(netip.AddrPortFrom(a, 4711), nil)
			c.Done()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if table.Pins(s) != clients {
			b.Fatalf("%d clients are remembered, want %d", table.Pins(s), clients)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/clients, "B/client")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/clients, "ns/client")
}

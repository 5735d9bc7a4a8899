package loop

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

func perSource(conns int) screen.Limits { return screen.Limits{Conns: conns, Bits4: 32, Bits6: 64} }

func wantHaving(t testing.TB, s *Service, want int) {
	t.Helper()
	if _, having := s.Screen.Sources(); having != want {
		t.Errorf("sources have %d, want %d", having, want)
	}
}

// However a connection ends, what its source has of the service is given back,
// and once.
func TestSourceGetsBack(t *testing.T) {
	l, at := listen(t)
	nobody := netip.AddrPortFrom(at.Addr(), 1)
	r := newRig(t, at)
	r.service.Screen.Set(nil, perSource(1000))
	r.service.Sorry = func(c net.Conn) { _ = c.Close() }
	servers := func(all ...dataplane.RealServer) {
		r.service.Books.Update(dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.TCP}, Scheduler: "rr", RealServers: all})
	}
	// connecting has a client whose real server does not answer.
	mute := silent(t)
	connecting := func() *net.TCPConn {
		servers(dataplane.RealServer{Addr: mute, Weight: 1})
		c := r.dial()
		r.until("connecting", func() bool { return !r.gone() })
		return c
	}
	related := func() (c, s *net.TCPConn) {
		servers(dataplane.RealServer{Addr: at, Weight: 1})
		return r.pair(l)
	}
	ends := map[string]func(){
		"in good order": func() {
			c, s := related()
			r.must(c.Close())
			r.must(s.Close())
		},
		"reset by the client": func() {
			c, _ := related()
			r.must(c.SetLinger(0))
			r.must(c.Close())
		},
		"reset by the real server": func() {
			_, s := related()
			r.must(s.SetLinger(0))
			r.must(s.Close())
		},
		"idle": func() {
			related()
			r.pass(time.Minute + time.Second)
		},
		"nobody listens": func() {
			servers(dataplane.RealServer{Addr: nobody, Weight: 1})
			r.dial()
			r.until("refused", func() bool { return r.service.Books.Status().Counters.Refused > 0 })
		},
		"no real server": func() {
			servers()
			r.dial()
			r.until("refused", func() bool { return r.service.Books.Status().Counters.Refused > 0 })
		},
		"connecting takes too long": func() {
			connecting()
			r.pass(2 * time.Second)
		},
		"reset while connecting": func() {
			c := connecting()
			r.must(c.SetLinger(0))
			r.must(c.Close())
		},
		"cut": func() {
			related()
			cutAll(r.w, r.service)
		},
		"sorry": func() {
			servers(dataplane.RealServer{Sorry: true, Weight: 1})
			c := r.dial()
			_, _ = r.receive(c)
		},
		"sorry in place of a fallback": func() {
			servers(dataplane.RealServer{Addr: nobody, Sorry: true, Weight: 1})
			c := r.dial()
			_, _ = r.receive(c)
		},
	}
	for name, end := range ends {
		was := r.service.Books
		r.service.Books = table.New(dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.TCP}, Scheduler: "rr"})
		end()
		r.until(name+": the place is given back", func() bool { return r.gone() && r.engine.places.taken.Load() == 0 })
		if _, having := r.service.Screen.Sources(); having != 0 {
			t.Errorf("%s: sources have %d, want none", name, having)
		}
		r.service.Books = was
	}
}

// Those that are there when the worker stops are given back as well, in
// whatever order they came and went before.
func TestSourceGetsBackAtLast(t *testing.T) {
	l, at := listen(t)
	r := newRig(t, at)
	r.service.Screen.Set(nil, perSource(20))
	go func() {
		for {
			s, err := l.AcceptTCP()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = s.Close() })
		}
	}()
	var open []*net.TCPConn
	for range 300 {
		switch n := rand.IntN(3); {
		case n > 0 || len(open) == 0:
			open = append(open, r.dial())
		default:
			i := rand.IntN(len(open))
			_ = open[i].SetLinger(rand.IntN(2) - 1)
			_ = open[i].Close()
			open = append(open[:i], open[i+1:]...)
		}
		r.w.turn(0)
		if _, having := r.service.Screen.Sources(); having > 20 {
			t.Fatalf("sources have %d, want 20 at most", having)
		}
	}
	if r.service.Books.Status().Counters.Throttled == 0 {
		t.Error("nobody was throttled")
	}
	r.w.slab.all(r.w.cut)
	wantHaving(t, r.service, 0)
}

// A client that is not served never gets as far as the choice of a real server,
// and is told by a reset.
func TestDeniedIsNotScheduled(t *testing.T) {
	_, at := listen(t)
	r := newRig(t, at)
	r.service.Screen.Set(screen.NewRules(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), perSource(1))
	c := r.dial()
	r.wantReset("client", c)
	got := r.service.Books.Status()
	if got.Counters.Denied != 1 || got.Counters.Refused != 0 || got.Counters.Throttled != 0 || got.Counters.Connections != 0 {
		t.Errorf("counted %+v, want one denied alone", got.Counters)
	}
	wantHaving(t, r.service, 0)
	if n := r.engine.places.taken.Load(); n != 0 {
		t.Errorf("%d places are taken, want none", n)
	}
}

// However a flow ends, what its source has is given back.
func TestSourceOfFlows(t *testing.T) {
	q := newQuay(t, "127.0.0.1", 3)
	s := q.socket("127.0.0.1")
	q.service.Screen.Set(nil, perSource(100))
	q.service.Books.Update(spec(addrOf(s)))
	for range 3 {
		q.ask(q.client(), s, "question")
	}
	wantHaving(t, q.service, 3)
	q.pass(time.Second)
	q.ask(q.client(), s, "in place of another")
	wantHaving(t, q.service, 3)
	q.pass(time.Minute + tickLength)
	if q.flows() != 0 {
		t.Errorf("%d flows, want none", q.flows())
	}
	wantHaving(t, q.service, 0)

	q.ask(q.client(), s, "question")
	cutAll(q.w, q.service)
	wantHaving(t, q.service, 0)

	// Nobody listens: the flow ends, and its source has nothing.
	_ = s.Close()
	c := q.client()
	q.until("the port is found closed", func() bool {
		q.write(c, []byte("?"))
		q.w.turn(1)
		return q.service.Books.Status().Counters.Failures > 1
	})
	q.until("no flow", func() bool { return q.flows() == 0 })
	wantHaving(t, q.service, 0)

	// No real server, and no socket to be had.
	q.service.Books.Update(spec())
	q.write(q.client(), []byte("?"))
	q.until("refused", func() bool { return q.service.Books.Status().Counters.Refused > 0 })
	wantHaving(t, q.service, 0)
	s = q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	for range 3 {
		q.ask(q.client(), s, "question")
	}
	q.w.closePort(q.port.fd)
	wantHaving(t, q.service, 0)
}

// With one-packet scheduling it is datagrams that a source may send so many of,
// and nothing is kept of it.
func TestSourceOfDatagrams(t *testing.T) {
	q := newQuay(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Set(Settings{Connect: time.Second, Idle: time.Minute, OnePacket: true})
	q.service.Screen.Set(nil, screen.Limits{Rate: dataplane.Rate{Count: 5, Per: time.Hour}, Bits4: 32})
	q.service.Books.Update(spec(addrOf(s)))
	c := q.client()
	for range 9 {
		q.write(c, []byte("question"))
	}
	q.until("four are throttled", func() bool { return q.service.Books.Status().Counters.Throttled == 4 })
	for range 5 {
		b := make([]byte, 100)
		_, _, err := s.ReadFromUDPAddrPort(b)
		q.must(err)
	}
	wantHaving(t, q.service, 0)
}

// cutAll has everything at the first real server of a service cut.
func cutAll(w *worker, s *Service) {
	v := s.Books.Spec()
	now := v.Clone()
	now.Cut, now.RealServers = []netip.AddrPort{v.RealServers[0].Addr}, nil
	s.Books.Update(now)
	cutting(w, s, make(chan struct{}, 1)).share()
	s.Books.Update(v)
}

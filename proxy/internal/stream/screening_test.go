package stream

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
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
func TestSourceIsReleased(t *testing.T) {
	l, at := listen(t)
	nobody := netip.AddrPortFrom(at.Addr(), 1)
	r := newFixture(t, at)
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
		r.Until("connecting", func() bool { return !r.gone() })
		return c
	}
	related := func() (c, s *net.TCPConn) {
		servers(dataplane.RealServer{Addr: at, Weight: 1})
		return r.pair(l)
	}
	ends := map[string]func(){
		"in good order": func() {
			c, s := related()
			r.Must(c.Close())
			r.Must(s.Close())
		},
		"reset by the client": func() {
			c, _ := related()
			r.Must(c.SetLinger(0))
			r.Must(c.Close())
		},
		"reset by the real server": func() {
			_, s := related()
			r.Must(s.SetLinger(0))
			r.Must(s.Close())
		},
		"idle": func() {
			related()
			r.Pass(time.Minute + time.Second)
		},
		"nobody listens": func() {
			servers(dataplane.RealServer{Addr: nobody, Weight: 1})
			r.dial()
			r.Until("refused", func() bool { return r.service.Books.Status().Counters.Refused > 0 })
		},
		"no real server": func() {
			servers()
			r.dial()
			r.Until("refused", func() bool { return r.service.Books.Status().Counters.Refused > 0 })
		},
		"connecting takes too long": func() {
			connecting()
			r.Pass(2 * time.Second)
		},
		"reset while connecting": func() {
			c := connecting()
			r.Must(c.SetLinger(0))
			r.Must(c.Close())
		},
		"cut": func() {
			related()
			r.cutAll()
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
		r.Until(name+": the place is given back", func() bool { return r.gone() && r.fwd.limiter.Used() == 0 })
		if _, having := r.service.Screen.Sources(); having != 0 {
			t.Errorf("%s: sources have %d, want none", name, having)
		}
		r.service.Books = was
	}
}

// Those that are there when the worker stops are given back as well, in
// whatever order they came and went before.
func TestSourceIsReleasedAtTheEnd(t *testing.T) {
	l, at := listen(t)
	r := newFixture(t, at)
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
		r.Worker.Iterate(0)
		if _, having := r.service.Screen.Sources(); having > 20 {
			t.Fatalf("sources have %d, want 20 at most", having)
		}
	}
	if r.service.Books.Status().Counters.Throttled == 0 {
		t.Error("nobody was throttled")
	}
	r.h.conns.all(r.h.cut)
	wantHaving(t, r.service, 0)
}

// A client that is not served never gets as far as the choice of a real server,
// and is told by a reset.
func TestDeniedIsNotScheduled(t *testing.T) {
	_, at := listen(t)
	r := newFixture(t, at)
	r.service.Screen.Set(screen.NewRules(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), perSource(1))
	c := r.dial()
	r.wantReset("client", c)
	got := r.service.Books.Status()
	if got.Counters.Denied != 1 || got.Counters.Refused != 0 || got.Counters.Throttled != 0 || got.Counters.Connections != 0 {
		t.Errorf("counted %+v, want one denied alone", got.Counters)
	}
	wantHaving(t, r.service, 0)
	if n := r.fwd.limiter.Used(); n != 0 {
		t.Errorf("%d places are taken, want none", n)
	}
}

// cutAll has everything at the first real server of a service cut.
func (r *fixture) cutAll() {
	restore := enginetest.CutFirst(r.service.Books)
	r.h.cutting(r.service)()
	restore()
}

package stream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// cut has the books of a service want nobody at the i-th server.
func cut(s *Service, i int) {
	v := s.Books.Spec().Clone()
	v.Cut = []netip.AddrPort{v.RealServers[i].Addr}
	v.RealServers[i].Weight = 0
	s.Books.Update(v)
}

// Of the connections to a server that is cut those that stand are reset on
// both sides; those that are being made go on to another server.
func TestCut(t *testing.T) {
	e := engine.New(engine.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 1000)
	defer e.Close()
	a, addr := listen(t)
	b, other := listen(t)
	s := newService(addr, other, silent(t))
	s.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Hour, IdleTimeout: time.Hour}}) // nobody goes but who is cut
	free, vip := listen(t)
	_ = free.Close()
	ln, err := f.Listen(t.Context(), vip, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close(context.Background()) }()
	client := func(at int) net.Conn {
		had := s.Books.Status().Servers[at].Active
		c, err := net.Dial("tcp", vip.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
		for s.Books.Status().Servers[at].Active == had {
			time.Sleep(time.Millisecond)
		}
		return c
	}
	accepted := func(l *net.TCPListener) net.Conn {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
		return c
	}
	said := func(who string, c net.Conn, want error) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("%s got %v, want %v", who, err, want)
		}
	}
	var ours [2 * cutShare]net.Conn
	var stays, connecting net.Conn
	for i := range ours {
		ours[i] = client(0)
		stays = client(1)
		connecting = client(2)
	}
	cut(s, 0)
	if err := f.Cut(t.Context(), newService(addr)); err != nil {
		t.Error(err)
	}
	if got := s.Books.Status().Servers[0].Active; got != len(ours) {
		t.Fatalf("%d connections after those of another service were cut, want %d", got, len(ours))
	}
	if err := f.Cut(t.Context(), s); err != nil {
		t.Error(err)
	}
	for _, c := range ours {
		said("a client", c, unix.ECONNRESET)
		said("the server", accepted(a), unix.ECONNRESET)
	}
	if st := s.Books.Status(); st.Counters.Cut != uint64(len(ours)) || st.Servers[0].Active != 0 || st.Servers[0].Counters.Cut != st.Counters.Cut {
		t.Errorf("%d are cut and %d left, want %d and none", st.Counters.Cut, st.Servers[0].Active, len(ours))
	}
	_, _ = accepted(b).Write([]byte("x"))
	cut(s, 2)
	if err := f.Cut(t.Context(), s); err != nil {
		t.Error(err)
	}
	for range 2*len(ours) - 1 {
		_, _ = accepted(b).Write([]byte("x"))
	}
	said("the client of another server", stays, nil)
	said("the client who was being connected", connecting, nil)
	if got := s.Books.Status().Counters.Cut; got != uint64(len(ours)) {
		t.Errorf("%d are cut, want no more than %d", got, len(ours))
	}
}

// TestCutBeforeTheAnswer: the result of an attempt that is cut is not taken for that
// of the next one, although it is among the same events.
func TestCutBeforeTheAnswer(t *testing.T) {
	_, addr := listen(t)
	r := newFixture(t, addr, silent(t))
	r.dial()
	r.Worker.Stepwise(r.h.cutting(r.service), make(chan struct{}, 1))
	r.h.accept.acceptUpTo(r.h.accept.listeners[0], 1)
	cut(r.service, 0)
	r.Worker.Iterate(0)
	r.Worker.Iterate(0)
	if st := r.service.Books.Status(); r.only().state == relaying || st.Servers[1].Counters.Connections > 0 {
		t.Errorf("state %d with a real server that does not answer: %+v", r.only().state, st.Servers[1].Counters)
	}
}

// Cutting ends with the engine, and waiting for it with the context.
func TestCutWhileClosing(t *testing.T) {
	for range 50 {
		e := engine.New(engine.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
		f := streams(e, 10)
		_, addr := listen(t)
		s := newService(addr)
		free, vip := listen(t)
		_ = free.Close()
		if _, err := f.Listen(t.Context(), vip, s); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- f.Cut(t.Context(), s) }()
		e.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := f.Cut(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
}

func TestCutHonoursItsContext(t *testing.T) {
	f := quietEngine(t, 1)
	team, err := f.engine.Start()
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan struct{})
	team[0].Post(func() { <-busy })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Cut(ctx, newService(dead(t))); !errors.Is(err, context.Canceled) {
		t.Errorf("cutting without time: %v", err)
	}
	close(busy)
}

// dead is an address where nobody listens.
func dead(t testing.TB) netip.AddrPort {
	l, addr := listen(t)
	_ = l.Close()
	return addr
}

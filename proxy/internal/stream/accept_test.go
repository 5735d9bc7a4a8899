package stream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
)

// TestCloseServesTheQueue: clients in the queue of a listener that closes are served.
func TestCloseServesTheQueue(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	var queued []*net.TCPConn
	for range 50 {
		queued = append(queued, r.dial())
	}
	r.h.accept.closeListener(r.fd)
	if _, err := net.Dial("tcp", r.vip.String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connecting: %v, want refused", err)
	}
	go func() {
		for {
			s, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(s, "hello")
			_ = s.Close()
		}
	}()
	for _, c := range queued {
		_ = c.CloseWrite()
		if b, err := r.receive(c); string(b) != "hello" || err != nil {
			t.Fatalf("a client in the queue got %q, %v", b, err)
		}
	}
}

// Nobody who has got through is lost while listeners of several workers come
// and go under load.
func TestListenersComeAndGo(t *testing.T) {
	l, addr := listen(t)
	go func() {
		for {
			s, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(s, "x")
				_, _ = io.Copy(io.Discard, s)
				_ = s.Close()
			}()
		}
	}()
	e := engine.New(engine.Options{Workers: 3, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 1000)
	defer e.Close()
	s := newService(addr)
	free, vip := listen(t)
	_ = free.Close()
	var stop atomic.Bool
	var clients sync.WaitGroup
	var served, refused atomic.Int64
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				switch err := visit(vip); {
				case err == nil:
					served.Add(1)
				case errors.Is(err, unix.ECONNREFUSED):
					refused.Add(1)
				default:
					t.Errorf("a client was lost: %v", err)
					return
				}
			}
		})
	}
	for round := 0; round < 8 && !t.Failed(); round++ {
		before := served.Load()
		ln, err := f.Listen(t.Context(), vip, s)
		if err != nil {
			t.Fatal(err)
		}
		wait.Until(t, "twenty clients are served", func() bool { return t.Failed() || served.Load() >= before+20 })
		_ = ln.Close(t.Context())
		_ = ln.Close(t.Context())
	}
	stop.Store(true)
	clients.Wait()
	t.Log(served.Load(), "served", refused.Load(), "refused")
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// visit returns ECONNREFUSED if nobody listens, and another error if somebody
// does and does not serve.
func visit(to netip.AddrPort) error {
	c, err := net.DialTimeout("tcp", to.String(), time.Minute)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

func TestAddressInUse(t *testing.T) {
	e := engine.New(engine.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 10)
	defer e.Close()
	other := engine.New(engine.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
	others := streams(other, 10)
	defer other.Close()
	free, at := listen(t)
	if _, err := f.Listen(t.Context(), at, newService()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("beside another program: %v, want %v", err, unix.EADDRINUSE)
	}
	_ = free.Close()
	ln, err := f.Listen(t.Context(), at, newService())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Forwarder{f, others} {
		if _, err := f.Listen(t.Context(), at, newService()); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a second time: %v, want %v", err, unix.EADDRINUSE)
		}
	}
	_ = ln.Close(t.Context())
	if ln, err = others.Listen(t.Context(), at, newService()); err != nil {
		t.Errorf("after it was closed: %v", err)
	} else {
		_ = ln.Close(t.Context())
	}
	e.Close()
	if _, err := f.Listen(t.Context(), at, newService()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v, want %v", err, engine.ErrClosed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := others.Listen(ctx, at, newService()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v, want %v", err, context.Canceled)
	}
}

// Without descriptors the worker sleeps instead of trying again at once, and
// who has been taken in reaches a real server by the reserve.
func TestOutOfDescriptors(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	first, second := r.dial(), r.dial()
	lift := exhaust(t, 1) // for the first client
	r.Until("the worker pauses", func() bool { return r.h.accept.paused })
	r.Until("the real server is reached", func() bool { return r.only().state == relaying })
	if n := r.fwd.Pauses(); n != 1 {
		t.Errorf("%d pauses, want 1", n)
	}
	if r.h.accept.reserve[0] != engine.None {
		t.Error("the reserve is still there")
	}
	if n := r.Worker.Rest(); n <= 0 || n > int(engine.TickLength/time.Millisecond) {
		t.Errorf("the worker rests for %d ms, want until the next tick", n)
	}
	r.Pass(5 * engine.TickLength)
	if !r.h.accept.paused || r.fwd.Pauses() != 1 {
		t.Errorf("without descriptors: paused is %v after %d pauses, want one that lasts", r.h.accept.paused, r.fwd.Pauses())
	}
	lift()
	r.Pass(3 * engine.TickLength)
	for _, c := range []*net.TCPConn{first, second} {
		s, err := l.AcceptTCP()
		r.Must(err)
		_, _ = io.WriteString(s, "hello")
		_ = s.Close()
		_ = c.CloseWrite()
	}
	for _, c := range []*net.TCPConn{first, second} {
		if b, err := r.receive(c); string(b) != "hello" {
			t.Errorf("a client got %q, %v", b, err)
		}
	}
}

// exhaust leaves n descriptors to be had until lift is called.
func exhaust(t *testing.T, n int) (lift func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	var held []int
	for range 64 { // what is free below the highest
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, fd)
	}
	top := held[len(held)-1] + 1
	for _, fd := range held[len(held)-n:] {
		_ = unix.Close(fd)
	}
	held = held[:len(held)-n]
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(top), Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	lift = sync.OnceFunc(func() {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	})
	t.Cleanup(lift)
	return lift
}

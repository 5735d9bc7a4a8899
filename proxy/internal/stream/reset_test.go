package stream

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A reset waits for a client that does not read no longer than its patience.
func TestResetTimesOut(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	_ = c.SetReadBuffer(8 << 10)
	go func() { _, _ = s.Write(make([]byte, 16<<20)) }()
	r.Until("the client is full", func() bool { return !r.only().sides[client].writable })
	_ = s.SetLinger(0)
	_ = s.Close()
	r.Until("the reset waits", func() bool { return r.only().state == resetting })
	r.Pass(maxStall / 2 * engine.TickLength)
	if r.gone() {
		t.Fatal("the connection was reset with something on its way")
	}
	r.Pass((maxStall + 2) * engine.TickLength)
	if !r.gone() {
		t.Fatal("a client that does not read holds a reset up")
	}
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client's connection ended with %v, want a reset", err)
	}
}

func TestResetIsPassedOn(t *testing.T) {
	l, addr := listen(t)
	for _, who := range []string{"client", "server"} {
		r := newFixture(t, addr)
		c, s := r.pair(l)
		other := s
		if who == "server" {
			c, other = s, c
		}
		_ = c.SetLinger(0)
		_ = c.Close()
		r.wantReset("other side of the "+who, other)
		r.Until("the connection is over", r.gone)
	}
}

// Timeouts are never early.
func TestIdle(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: 20 * time.Second}})
	c, s := r.pair(l)
	r.Pass(19 * time.Second)
	r.carry(descriptor(t, c), descriptor(t, s), []byte("x"), make([]byte, 1))
	r.Pass(20*time.Second - engine.TickLength)
	if r.gone() {
		t.Fatal("cut before its time")
	}
	r.Pass(3 * engine.TickLength)
	if !r.gone() {
		t.Fatal("not cut")
	}
	r.wantReset("client", c)
	r.wantReset("server", s)
}

// A shorter timeout is in force for connections that exist.
func TestIdleShortened(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Hour}})
	_, _ = r.pair(l)
	r.Pass(time.Minute)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Second}})
	r.Pass(engine.LookEvery*engine.TickLength + engine.TickLength)
	if !r.gone() {
		t.Error("a connection has the timeout of before")
	}
}

func TestConnectTimeout(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, silent(t), addr)
	c := r.dial()
	_, _ = io.WriteString(c, "early")
	r.Until("the attempt has begun", func() bool { return r.only().state == connecting })
	r.Pass(time.Second - engine.TickLength)
	if st := r.service.Books.Status(); st.Counters.Failures != 0 {
		t.Fatal("the attempt was given up before its time")
	}
	r.Pass(3 * engine.TickLength)
	r.Until("the next real server is reached", func() bool { return r.only().state == relaying })
	s, err := l.AcceptTCP()
	r.Must(err)
	defer s.Close()
	b := make([]byte, 5)
	r.settle()
	if _, err := io.ReadFull(s, b); string(b) != "early" || err != nil {
		t.Errorf("the next real server got %q, %v", b, err)
	}
	st := r.service.Books.Status()
	if st.Counters.Failures != 1 || st.Servers[0].Active != 0 || st.Servers[1].Active != 1 {
		t.Errorf("books %+v, want one failure and one connection at the second", st)
	}
}

package stream

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// noStash makes every read behave as if no stash were free.
func (r *fixture) noStash() { r.fwd.Bound(Bounds{Connections: 100, Buffers: 1}) }

// buffers is what is held.
func (r *fixture) buffers() dataplane.Usage {
	_, buffers := r.fwd.Load()
	return buffers
}

// TestPeekLosesNothing: without stashes no byte is lost, in either direction, however
// slowly it is read and in whatever pieces it comes.
func TestPeekLosesNothing(t *testing.T) {
	l, addr := listen(t)
	for _, pipes := range []int{0, 8} {
		r := newFixture(t, addr)
		r.h.relay.pipes.limit = pipes
		r.noStash()
		c, s := r.pair(l)
		for _, way := range [][2]*net.TCPConn{{c, s}, {s, c}} {
			sent := make([]byte, 6<<20+rand.IntN(1000))
			for i := range sent {
				sent[i] = byte(rand.IntN(256))
			}
			_ = way[1].SetReadBuffer(16 << 10)
			go func() {
				for b := sent; len(b) > 0; {
					n := min(len(b), 1+rand.IntN(200<<10))
					if _, err := way[0].Write(b[:n]); err != nil {
						t.Error(err)
					}
					b = b[n:]
				}
				_ = way[0].CloseWrite()
			}()
			got, err := r.receive(way[1])
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d pipes: %d bytes came (%v), want the %d that were sent", pipes, len(got), err, len(sent))
			}
		}
		r.Until("the end", r.gone)
		if used, refused := r.h.relay.stashes.used(), r.buffers().Refused; used != 0 || refused == 0 {
			t.Errorf("%d pipes: %d stashes are in use after %d reads without, want none", pipes, used, refused)
		}
	}
}

// A reader that has stopped keeps its sender waiting, and nobody else.
func TestPeekDelaysNobody(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.noStash()
	c, s := r.pair(l)
	_ = c.SetReadBuffer(64 << 10)
	stuck := make(chan int, 1)
	_ = s.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	go func() {
		n, _ := s.Write(make([]byte, 64<<20))
		stuck <- n
	}()
	n := 0
	r.Until("the sender is held back", func() bool {
		select {
		case n = <-stuck:
			return true
		default:
			return false
		}
	})
	if n == 64<<20 {
		t.Fatal("the sender was not held back")
	}
	if _, err := c.Write([]byte("the other way")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 13)
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(s, b)
		done <- err
	}()
	r.Until("the other way", func() bool { return len(done) > 0 })
	if err := <-done; err != nil || string(b) != "the other way" {
		t.Errorf("%q, %v", b, err)
	}
	// The bytes arrive when they are read at last.
	_ = s.CloseWrite()
	if got, err := r.receive(c); err != nil || len(got) != n {
		t.Errorf("%d bytes came (%v), want %d", len(got), err, n)
	}
}

// Stashes are had up to the bound, given back, and had again.
func TestStashesAreBounded(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.h.relay.pipes.limit = 0
	r.fwd.Bound(Bounds{Connections: 100, Buffers: 2 * engine.BufferSize})
	type end struct{ c, s *net.TCPConn }
	var all []end
	for range 4 {
		c := r.dial()
		accepted := make(chan *net.TCPConn, 1)
		go func() {
			s, _ := l.AcceptTCP()
			accepted <- s
		}()
		r.Until("accepted", func() bool { return len(accepted) > 0 })
		s := <-accepted
		t.Cleanup(func() { _ = s.Close() })
		_ = c.SetReadBuffer(64 << 10)
		_ = s.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		go func() { _, _ = s.Write(make([]byte, 32<<20)) }()
		all = append(all, end{c, s})
	}
	r.Until("the bound", func() bool { b := r.buffers(); return b.Full() && b.Refused > 0 })
	if used := r.h.relay.stashes.used(); used != 2 {
		t.Errorf("%d stashes are in use, want 2", used)
	}
	for _, e := range all {
		_ = e.c.SetLinger(0)
		_ = e.c.Close()
	}
	r.Until("all have gone", r.gone)
	if used, load := r.h.relay.stashes.used(), r.buffers(); used != 0 || load.Used != 0 {
		t.Errorf("%d stashes are in use and %d bytes counted, want none", used, load.Used)
	}
}

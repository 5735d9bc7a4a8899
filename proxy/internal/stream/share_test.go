package stream

import (
	"io"
	"net"
	"testing"
)

// stream makes one side send as much as the other takes, until the test is over.
func (r *fixture) stream(from, to *net.TCPConn) {
	for _, c := range []*net.TCPConn{from, to} {
		_ = c.SetReadBuffer(16 << 20)
		_ = c.SetWriteBuffer(16 << 20)
	}
	over := make(chan struct{}, 2)
	go func() {
		b := make([]byte, 1<<20)
		for {
			if _, err := from.Write(b); err != nil {
				over <- struct{}{}
				return
			}
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, to)
		over <- struct{}{}
	}()
	r.Cleanup(func() {
		_, _ = from.Close(), to.Close()
		<-over
		<-over
	})
}

// TestShare has many streams, of all of which there is more than their share,
// keep neither each other waiting nor a request: what a turn passes on does not
// grow with their number, and a request goes before them.
func TestShare(t *testing.T) {
	const streams = 12
	l, addr := listen(t)
	r := newFixture(t, addr)
	asks, answers := r.pair(l)
	for range streams {
		c, s := r.pair(l)
		r.stream(s, c)
	}
	r.Until("there is more than a share of each", func() bool { return len(r.h.relay.queue) == streams })
	if r.Worker.Rest() != 0 {
		t.Error("the worker rests with something in its queue")
	}
	const most = 3 << 20 // not all of them are spliced in each turn
	from, to := descriptor(t, asks), descriptor(t, answers)
	ping := make([]byte, 1)
	for range 200 {
		before := r.h.relay.passed
		r.carry(from, to, ping, ping)
		if n := r.h.relay.passed - before; n > most {
			t.Errorf("a request has waited for %d bytes of streams, want at most %d", n, most)
		}
	}
}

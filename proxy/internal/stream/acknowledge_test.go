package stream

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// unacknowledgedAt returns how many segments of a socket the other side has not
// acknowledged.
func unacknowledgedAt(t testing.TB, c *net.TCPConn) uint32 {
	t.Helper()
	info, err := unix.GetsockoptTCPInfo(descriptor(t, c), unix.SOL_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return info.Unacked
}

// TestFirstPieces: neither the first piece of an answer nor those behind it wait
// for an acknowledgement that the kernel delays.
func TestFirstPieces(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asks  int // pieces of the request; -1 is one that comes when the real server is there
		proxy int // version of the PROXY header
	}{
		{"answer", 1, 0},
		{"two writes", 2, 0},
		{"server first", 0, 0},
		{"late request", -1, 0},
		{"answer after a header", 1, 2},
		{"server first after a header", 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, addr := listen(t)
			r := newFixture(t, addr)
			r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, ProxyProtocol: tt.proxy}})
			c := r.dial()
			ask := func() {
				r.Must2(c.Write([]byte("ask")))
				r.Worker.Iterate(0)
			}
			if tt.asks > 0 {
				ask() // comes before the real server is there
			}
			s := r.accepted(l)
			for range max(tt.asks-1, -tt.asks) {
				ask()
			}
			for piece := range 3 {
				before := time.Now()
				r.Must2(s.Write([]byte("piece")))
				for range 4 {
					r.Worker.Iterate(0)
				}
				if n := unacknowledgedAt(t, s); n != 0 {
					t.Errorf("piece %d has not been acknowledged after %v", piece, time.Since(before))
				}
			}
		})
	}
}

// TestFirstPieceOfABusyWorker: a worker with other work delays the call for a
// moment, and omits it for connections that have ended by then.
func TestFirstPieceOfABusyWorker(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	begin := func() (c, s *net.TCPConn) {
		c = r.dial()
		r.Must2(c.Write([]byte("ask")))
		return c, r.accepted(l)
	}
	c, s := begin()
	r.Must2(s.Write([]byte("answer")))
	r.Until("it has come", func() bool { return len(r.h.relay.arrivals) == 1 })
	r.h.relay.acknowledge(false)
	if len(r.h.relay.arrivals) != 1 {
		t.Fatal("a busy worker has not put the acknowledgement off")
	}
	_ = c.Close()
	_ = s.Close()
	r.Until("the connection is over", r.gone)
	r.h.relay.acknowledge(true)
	if len(r.h.relay.arrivals) != 0 {
		t.Error("what is over has not been forgotten")
	}

	_, s = begin()
	r.Must2(s.Write([]byte("answer")))
	r.Until("it has come", func() bool { return len(r.h.relay.arrivals) == 1 })
	r.Worker.Now += ackWithin
	if r.h.relay.acknowledge(false); len(r.h.relay.arrivals) != 0 {
		t.Error("the acknowledgement has been put off for too long")
	}
}

// TestHandshakeOfAnIdleWorker: a worker without other work lets the kernel
// acknowledge the handshake, and then the first piece of an answer at once. For the
// second of two clients at once it is busy.
func TestHandshakeOfAnIdleWorker(t *testing.T) {
	for end := time.Now().Add(enginetest.Generous); ; {
		_, addr := listen(t)
		r := newFixture(t, addr)
		r.dial()
		r.dial()
		r.Worker.Iterate(0)
		var sent [2]uint32
		for i := range sent {
			info, err := unix.GetsockoptTCPInfo(int(r.h.conns.at(int32(i)).sides[server].fd), unix.SOL_TCP, unix.TCP_INFO)
			r.Must(err)
			sent[i] = info.Segs_out
		}
		if sent[0] != 2 {
			t.Fatalf("%d segments to the real server of the first, want two", sent[0])
		}
		if sent[1] == 1 {
			return
		}
		if time.Now().After(end) { // forty milliseconds later there are two in any case
			t.Fatalf("%d segments to that of the second, want one", sent[1])
		}
	}
}

// TestAnswersInPiecesAreLearnt: after an answer in two pieces, of which a busy
// worker acknowledged the first, the kernel does that for the next connections.
// Two answers to two requests are none in two pieces.
func TestAnswersInPiecesAreLearnt(t *testing.T) {
	for _, again := range []bool{false, true} {
		l, addr := listen(t)
		r := newFixture(t, addr)
		c := r.dial()
		r.Must2(c.Write([]byte("ask")))
		s := r.accepted(l)
		r.Must2(s.Write([]byte("answer")))
		r.Until("it has come", func() bool { return len(r.h.relay.arrivals) == 1 })
		r.h.relay.acknowledge(true)
		if again {
			r.Must2(c.Write([]byte("ask again")))
			r.Until("it is passed on", func() bool { return r.only().written == 2 })
		}
		r.Must2(s.Write([]byte("more")))
		r.Until("more has come", func() bool { return !r.only().quickAcked })
		for range 2 {
			if got := r.service.inPieces(); got == again {
				t.Errorf("after another request %v: answers in pieces are expected: %v", again, got)
			}
		}
	}
}

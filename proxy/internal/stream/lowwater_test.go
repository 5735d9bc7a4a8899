package stream

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A bulk sends until it is told to stop, and counts what arrives.
type bulk struct {
	enough  chan struct{}
	sent    chan int64 // all of it, when the last is on its way
	arrived atomic.Int64
}

func (r *fixture) bulk(from, to *net.TCPConn) *bulk {
	b := &bulk{enough: make(chan struct{}), sent: make(chan int64, 1)}
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		b.send(from)
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		buffer := make([]byte, 1<<20)
		for {
			n, err := to.Read(buffer)
			b.arrived.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	r.Cleanup(func() {
		_, _ = from.Close(), to.Close()
		<-done
		<-done
	})
	return b
}

func (b *bulk) send(from *net.TCPConn) {
	buffer, sent := make([]byte, 100_003), int64(0)
	for {
		n, err := from.Write(buffer)
		sent += int64(n)
		select {
		case <-b.enough:
			b.sent <- sent
			return
		default:
		}
		if err != nil {
			return
		}
	}
}

// finish stops the sender, iterates until all bytes have arrived, and returns
// their number.
func (r *fixture) finish(b *bulk) (sent int64) {
	r.Helper()
	close(b.enough)
	r.Until("all has been sent", func() bool {
		select {
		case sent = <-b.sent:
			return true
		default:
			return false
		}
	})
	r.Until("all has arrived", func() bool { return b.arrived.Load() == sent })
	return sent
}

// waitForLots makes a way of the only connection wait for lowWaterSize.
func (r *fixture) waitForLots(from int) {
	if y := &r.only().ways[from]; !y.lowWater {
		y.run = lowWaterAfter
		r.h.relay.noteSpliced(r.only(), from, 0)
	}
}

// lowWater is how much has to be there for an event of a side.
func (r *fixture) lowWater(side int) int {
	r.Helper()
	n, err := unix.GetsockoptInt(int(r.only().sides[side].fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	r.Must(err)
	return n
}

// TestLowWater: a stream makes an event for lowWaterSize, and less than that arrives
// all the same: soon where the worker has nothing else to do, within lowWaterWithin
// of the last lot and as much again where it has, and at once with an end behind.
func TestLowWater(t *testing.T) {
	kept := func(*net.TCPConn) error { return nil }
	for _, tt := range []struct {
		name string
		end  func(*net.TCPConn) error
		turn func(*fixture)
	}{
		{"of an idle worker", kept, func(r *fixture) { r.Worker.Iterate(1000) }},
		{"of a busy worker", kept, func(r *fixture) { r.Now += lowWaterWithin; r.Worker.Iterate(0) }},
		{"with an end", (*net.TCPConn).CloseWrite, func(r *fixture) { r.Worker.Iterate(0) }},
	} {
		for way, from := range map[string]int{"up": client, "down": server} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				l, addr := listen(t)
				r := newFixture(t, addr)
				c, s := r.pair(l)
				if from == server {
					c, s = s, c
				}
				b := r.bulk(c, s)
				r.Until("it waits for lots", func() bool { return r.only().ways[from].lowWater })
				if n := r.lowWater(from); n != int(lowWaterSize) {
					t.Errorf("an event is for %d bytes, want %d", n, lowWaterSize)
				}
				sent := r.finish(b)
				r.waitForLots(from)
				r.Must2(c.Write([]byte("x")))
				r.Must(tt.end(c))
				for end := time.Now().Add(time.Minute); b.arrived.Load() != sent+1; tt.turn(r) {
					if time.Now().After(end) {
						t.Fatal("what is less than a lot does not arrive")
					}
				}
				r.Until("the end of lots", func() bool { r.Now += lowWaterWithin; return len(r.h.relay.lowWaterWays) == 0 })
				if n := r.lowWater(from); n != 1 || r.only().ways[from].lowWater {
					t.Errorf("an event is for %d bytes when the stream is over, want 1", n)
				}
			})
		}
	}
}

// TestNoLowWater: a way that is no stream of many bytes makes an event for each.
func TestNoLowWater(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	b := r.bulk(s, c)
	r.Until("it is spliced", func() bool { return r.only().ways[server].run > 0 })
	r.finish(b)
	if r.only().ways[client].lowWater || r.lowWater(client) != 1 {
		t.Error("the way that carries nothing waits for lots")
	}
}

// TestLowWaterOfAClosedConnection: a connection that ends meanwhile is forgotten.
func TestLowWaterOfAClosedConnection(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	b := r.bulk(s, c)
	r.Until("it waits for lots", func() bool { return len(r.h.relay.lowWaterWays) == 1 })
	close(b.enough)
	r.Must(c.SetLinger(0))
	r.Must(c.Close())
	r.Until("the connection is gone", r.gone)
	r.Until("it is forgotten", func() bool { r.Now += lowWaterWithin; return len(r.h.relay.lowWaterWays) == 0 })
}

package stream

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// newCounter is a fixture whose real servers have room for one client each, and
// where one waits for ten seconds.
func newCounter(t *testing.T, servers ...netip.AddrPort) *fixture {
	r := newFixture(t, servers...)
	v := r.service.Books.Spec().Clone()
	for i := range v.RealServers {
		v.RealServers[i].MaxConn = 1
	}
	r.service.Books.Update(v)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, QueueTimeout: 10 * time.Second}})
	return r
}

// queue returns a client who waits.
func (r *fixture) queue() *net.TCPConn {
	r.Helper()
	had := r.service.Books.Status().Waiting
	c := r.dial()
	r.Until("somebody waits", func() bool { return r.service.Books.Status().Waiting > had })
	return c
}

// awaiting returns a connection that waits.
func (r *fixture) awaiting() *conn {
	found := &conn{}
	r.h.conns.all(func(c *conn) {
		if c.state == waiting {
			found = c
		}
	})
	return found
}

func (r *fixture) wantBooks(active, waiting int, refused uint64) {
	r.Helper()
	st := r.service.Books.Status()
	if st.Servers[0].Active != active || st.Waiting != waiting || st.Counters.Refused != refused {
		r.Errorf("%d active, %d waiting, %d refused; want %d, %d, %d",
			st.Servers[0].Active, st.Waiting, st.Counters.Refused, active, waiting, refused)
	}
	if len(r.h.dialer.waiting) != waiting {
		r.Errorf("the worker has %d waiting, want %d", len(r.h.dialer.waiting), waiting)
	}
}

func TestQueueIsServed(t *testing.T) {
	l, addr := listen(t)
	r := newCounter(t, addr)
	first, there := r.pair(l)
	second := r.queue()
	_, _ = io.WriteString(second, "request")
	_ = second.CloseWrite() // it still wants the answer
	r.Until("the end of the request is noticed", func() bool { return r.awaiting().sides[client].ending })
	r.wantBooks(1, 1, 0)
	_, _ = first.Close(), there.Close()
	r.Until("the first one is gone and the second there", func() bool {
		st := r.service.Books.Status()
		return st.Waiting == 0 && st.Servers[0].Counters.Connections == 2
	})
	s, err := l.AcceptTCP()
	r.Must(err)
	defer s.Close()
	if b, err := r.receive(s); string(b) != "request" || err != nil {
		t.Errorf("the server got %q, %v", b, err)
	}
	_, _ = io.WriteString(s, "answer")
	_ = s.Close()
	if b, err := r.receive(second); string(b) != "answer" || err != nil {
		t.Errorf("the client got %q, %v", b, err)
	}
	r.Until("the end", r.gone)
	r.wantBooks(0, 0, 0)
	if n := r.fwd.limiter.Used(); n != 0 {
		t.Errorf("%d places are taken, want none", n)
	}
}

func TestQueueTimesOut(t *testing.T) {
	l, addr := listen(t)
	r := newCounter(t, addr)
	r.pair(l)
	c := r.queue()
	r.Pass(10 * time.Second)
	r.wantBooks(1, 1, 0)
	r.Pass(3 * engine.TickLength)
	r.wantBooks(1, 0, 1)
	r.wantReset("client", c)
}

// A client that has been reset by the time there is a place is not the fault of
// the real server.
func TestQueueResetWhenCalled(t *testing.T) {
	_, addr := listen(t)
	r := newCounter(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, QueueTimeout: 10 * time.Second, Transparent: true}})
	r.dial()
	r.Until("the first is on its way", func() bool { return r.service.Books.Status().Servers[0].Active == 1 })
	second := r.queue()
	x, wt := r.awaiting(), (*table.Waiter)(nil)
	for _, wt = range r.h.dialer.waiting {
	}
	r.Must(second.SetLinger(0))
	r.Must(second.Close())
	r.h.conns.all(func(c *conn) {
		if c != x {
			r.h.cut(c)
		}
	})
	r.h.dialer.dequeued(x.ref(), wt)
	if n := r.service.Books.Status(); n.Counters.Failures != 0 || n.Counters.Refused != 0 || n.Servers[0].Active != 0 {
		t.Errorf("%+v", n)
	}
}

// Longer than the wheel sees.
func TestQueueForLong(t *testing.T) {
	l, addr := listen(t)
	r := newCounter(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Hour, QueueTimeout: 10 * time.Minute}})
	r.pair(l)
	c := r.queue()
	r.Pass(10 * time.Minute)
	r.wantBooks(1, 1, 0)
	r.Pass(3 * engine.TickLength)
	r.wantBooks(1, 0, 1)
	r.wantReset("client", c)
}

func TestQueueClientGoes(t *testing.T) {
	l, addr := listen(t)
	r := newCounter(t, addr)
	r.pair(l)
	c := r.queue()
	stays := r.queue()
	_ = c.SetLinger(0)
	_ = c.Close()
	r.Until("the queue notices", func() bool { return r.service.Books.Status().Waiting == 1 })
	_ = stays.CloseWrite()
	r.Until("the end of the other is noticed", func() bool { return r.awaiting().sides[client].ending })
	r.wantBooks(1, 1, 0)
}

// TestQueueInVain: a client that waits for a server which cannot be reached then goes
// on to the next, and is refused in the end.
func TestQueueInVain(t *testing.T) {
	l, addr := listen(t)
	r := newCounter(t, addr)
	first, there := r.pair(l)
	c := r.queue()
	_ = l.Close()
	_, _ = first.Close(), there.Close()
	r.wantReset("client", c)
	r.Until("the end", r.gone)
	r.wantBooks(0, 0, 1)
}

func TestQueueServerGoes(t *testing.T) {
	l, addr := listen(t)
	_, other := listen(t)
	r := newCounter(t, addr)
	r.pair(l)
	c := r.queue()
	v := r.service.Books.Spec().Clone()
	v.RealServers[0].Addr = other
	r.service.Books.Update(v)
	r.Until("the other server takes the client", func() bool {
		st := r.service.Books.Status()
		return st.Waiting == 0 && st.Servers[0].Counters.Connections == 1
	})
	v.RealServers = nil
	d := r.dial()
	r.Until("another waits", func() bool { return r.service.Books.Status().Waiting == 1 })
	r.service.Books.Update(v)
	r.wantReset("client for whom nobody is left", d)
	_ = c.SetReadDeadline(time.Now())
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, unix.ECONNRESET) {
		t.Error("the client that has a server was reset")
	}
}

// A client that has been given a place may be gone, out of time or cut before
// its worker knows: the place is not lost.
func TestQueueRaces(t *testing.T) {
	given := func(t *testing.T) (*fixture, *net.TCPConn, *conn) {
		l, addr := listen(t)
		r := newCounter(t, addr)
		r.pair(l)
		holder := r.only()
		c := r.queue()
		waits := r.awaiting()
		r.h.conns.refs(holder).claim.Done()
		v := r.service.Books.Spec()
		if st := r.service.Books.Status(); st.Waiting != 0 || st.Servers[0].Active != 1 {
			t.Fatalf("books of %v: %+v, want the place given", v.ID, st)
		}
		// The test has ended the claim, the worker is not to end it once more.
		engine.CloseFD(holder.sides[client].fd)
		engine.CloseFD(holder.sides[server].fd)
		r.h.leave(holder)
		return r, c, waits
	}
	t.Run("gone", func(t *testing.T) {
		r, c, _ := given(t)
		_ = c.SetLinger(0)
		_ = c.Close()
		r.Until("the end", r.gone)
		r.wantBooks(0, 0, 0)
	})
	t.Run("out of time", func(t *testing.T) {
		r, _, waits := given(t)
		r.h.dialer.waitTimedOut(waits)
		r.Until("it is served all the same", func() bool { return waits.state == relaying })
		r.wantBooks(1, 0, 0)
	})
	t.Run("ended", func(t *testing.T) {
		r, c, waits := given(t)
		r.h.cut(waits)
		r.wantReset("client", c)
		r.wantBooks(0, 0, 0)
	})
	t.Run("cut", func(t *testing.T) {
		r, c, _ := given(t)
		cut(r.service, 0)
		r.wantReset("client", c)
		r.Until("the end", r.gone)
		r.wantBooks(0, 0, 1)
		if n := r.service.Books.Status().Counters.Cut; n != 0 {
			t.Errorf("%d are cut, want none", n)
		}
	})
}

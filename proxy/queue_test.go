package proxy_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A countingServer counts its clients and the most that it had at a time.
type countingServer struct{ now, most, served atomic.Int64 }

// serve answers one byte with another and ends first, so that whoever comes
// next has been let in because this one was gone.
func (s *countingServer) serve(c *net.TCPConn) {
	n := s.now.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	b := make([]byte, 1)
	_, err := io.ReadFull(c, b)
	s.served.Add(1)
	s.now.Add(-1)
	if err == nil {
		_, _ = c.Write(b)
	}
}

func roomFor(v dataplane.VirtualService, n uint32) dataplane.VirtualService {
	v = v.Clone()
	for i := range v.RealServers {
		v.RealServers[i].MaxConn = n
	}
	return v
}

// Many clients, few places, several workers: everybody is served, and no
// server has more at a time than it may.
func TestMaxConn(t *testing.T) {
	const most, clients = 3, 300
	var countingServers [2]countingServer
	v := tcpService(t, tcpServer(t, "127.0.0.1", countingServers[0].serve), tcpServer(t, "127.0.0.1", countingServers[1].serve))
	v = roomFor(v, most)
	v.QueueTimeout = 3 * patience
	d := newPlane(t, proxy.Options{Workers: 3})
	apply(t, d, v)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c := dial(t, v)
			defer c.Close()
			_, _ = c.Write([]byte("x"))
			if b, err := io.ReadAll(c); string(b) != "x" || err != nil {
				t.Errorf("a client got %q, %v", b, err)
			}
		})
	}
	all.Wait()
	for i := range countingServers {
		if n := countingServers[i].most.Load(); n > most {
			t.Errorf("a server had %d clients at a time, want no more than %d", n, most)
		}
	}
	wait.Until(t, "the books are closed", func() bool { return active(t, d) == 0 })
	st := status(t, d)
	if st.Counters.Refused != 0 || st.Waiting != 0 || st.Counters.Queued == 0 || st.Counters.Connections != clients {
		t.Errorf("books: %+v, %d waiting", st.Counters, st.Waiting)
	}
}

// full is a service whose only place somebody has.
func full(t *testing.T, d *proxy.Dataplane, change func(*dataplane.VirtualService)) (v dataplane.VirtualService, holder *net.TCPConn) {
	t.Helper()
	v = roomFor(tcpService(t, tcpServer(t, "127.0.0.1", says("A"))), 1)
	v.QueueTimeout = 3 * patience
	if change != nil {
		change(&v)
	}
	apply(t, d, v)
	holder = dial(t, v)
	_ = get[int](t)(io.ReadFull(holder, make([]byte, 1)))
	return v, holder
}

func waits(t *testing.T, d *proxy.Dataplane, v dataplane.VirtualService) *net.TCPConn {
	t.Helper()
	had := status(t, d).Waiting
	c := dial(t, v)
	wait.Until(t, "the client waits", func() bool { return status(t, d).Waiting > had })
	return c
}

func wantGreeting(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("a client that has waited got %v", err)
	}
}

func TestQueueTimeout(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v, _ := full(t, d, func(v *dataplane.VirtualService) {
		v.QueueTimeout = 200 * time.Millisecond
		v.RealServers = append(v.RealServers, dataplane.RealServer{Sorry: true, Weight: 1})
	})
	wantReset(t, dial(t, v))
	wait.Until(t, "the client is counted", func() bool {
		c := status(t, d).Counters
		return c.Refused == 1 && c.Queued == 1
	})
}

func TestMaxQueue(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v, holder := full(t, d, func(v *dataplane.VirtualService) { v.MaxQueue = 1 })
	c := waits(t, d, v)
	wantTurnedAway(t, v)
	_ = holder.Close()
	wantGreeting(t, c)
}

// When the service is removed those who wait have been accepted, and go on.
func TestQueueOutlivesItsService(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 2})
	v, holder := full(t, d, nil)
	c := waits(t, d, v)
	if err := d.Remove(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	_ = holder.Close()
	wantGreeting(t, c)
	_ = c.Close()
	if err := d.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestQueueWhileDraining(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 2})
	v, holder := full(t, d, nil)
	c := waits(t, d, v)
	done := make(chan error, 1)
	go func() { done <- d.Drain(t.Context()) }()
	_ = holder.Close()
	wantGreeting(t, c)
	_ = c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestQueueIsReset(t *testing.T) {
	before := openFiles(t, "socket:")
	d := proxy.New(proxy.Options{Workers: 2})
	v, _ := full(t, d, nil)
	c, other := waits(t, d, v), waits(t, d, v)
	_ = d.Close()
	wantReset(t, c)
	wantReset(t, other)
	_, _ = c.Close(), other.Close()
	wait.Until(t, "no socket is left but the test's", func() bool { return openFiles(t, "socket:") <= before+3 })
}

// A datagram does not wait.
func TestMaxConnOfFlows(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	addr, _ := udpServer(t, "127.0.0.1", named("A"))
	v := roomFor(udpService(t, addr), 1)
	v.RealServers = append(v.RealServers, dataplane.RealServer{Sorry: true, Weight: 1})
	apply(t, d, v)
	first := dialUDP(t, v)
	if got := exchange(t, first, "x"); got != "Ax" {
		t.Fatalf("answer %q", got)
	}
	send(t, dialUDP(t, v), "y")
	wait.Until(t, "the second is refused", func() bool { return status(t, d).Counters.Refused == 1 })
	if got := exchange(t, first, "z"); got != "Az" {
		t.Errorf("answer %q", got)
	}
	if st := status(t, d); st.Waiting != 0 || st.Counters.Queued != 0 || st.Servers[0].Active != 1 {
		t.Errorf("status: %+v", st)
	}
}

// Clients come, lose patience, and reset, while places, servers and the service
// change under them. In the end nothing is left of anybody.
func TestQueueSoak(t *testing.T) {
	t.Parallel()
	var countingServers [3]countingServer
	v := tcpService(t)
	for i := range countingServers {
		addr := tcpServer(t, "127.0.0.1", countingServers[i].serve)
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Forward: dataplane.Masq, Weight: 1, MaxConn: 1})
	}
	v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: dead(t), Forward: dataplane.Masq, Weight: 1, MaxConn: 2})
	v.QueueTimeout = 100 * time.Millisecond
	d := newPlane(t, proxy.Options{Workers: 3})
	apply(t, d, v)
	end := time.Now().Add(2 * time.Second)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			for time.Now().Before(end) {
				exchangeOnce(v)
			}
		})
	}
	for time.Now().Before(end) {
		w := v.Clone()
		for i := range w.RealServers {
			w.RealServers[i].MaxConn = uint32(rand.IntN(4))
			w.RealServers[i].Weight = rand.IntN(3)
			if rand.IntN(4) == 0 {
				w.RealServers[i].Weight = 0
				w.Cut = append(w.Cut, w.RealServers[i].Addr)
			}
		}
		w.RealServers = w.RealServers[rand.IntN(2):]
		if rand.IntN(3) == 0 {
			w.Persistent, w.PersistentBits = time.Second, 32
		}
		apply(t, d, w)
		time.Sleep(2 * time.Millisecond)
	}
	apply(t, d, v)
	all.Wait()
	wait.Until(t, "nobody is left", func() bool { return active(t, d) == 0 && status(t, d).Waiting == 0 })
	t.Logf("%+v", status(t, d).Counters)
	if err := d.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// exchangeOnce is one client: it waits, gives up, resets or exchanges a few bytes.
func exchangeOnce(v dataplane.VirtualService) {
	c, err := net.DialTimeout("tcp", v.ID.Addr.String(), patience)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	switch rand.IntN(4) {
	case 0:
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		_ = c.(*net.TCPConn).SetLinger(0)
		return
	case 1:
		_, _ = c.Write([]byte("x"))
		_ = c.(*net.TCPConn).CloseWrite()
	default:
		time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
		_, _ = c.Write([]byte("x"))
	}
	_, _ = io.ReadAll(c)
}

package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

func TestServesBothFamilies(t *testing.T) {
	for _, vip := range []string{"127.0.0.1", "::1", "0.0.0.0", "::"} {
		for _, server := range []string{"127.0.0.1", "::1"} {
			t.Run(vip+" to "+server, func(t *testing.T) {
				d := newPlane(t, proxy.Options{})
				v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, vip), tcpServer(t, server, says("hello")))
				apply(t, d, v)
				wantAnswer(t, v, "hello")
			})
		}
	}
}

// Both wildcards fit beside each other.
func TestWildcards(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	four := serviceAt(dataplane.TCP, netip.AddrPort{}, tcpServer(t, "127.0.0.1", says("4")))
	six := serviceAt(dataplane.TCP, netip.AddrPort{}, tcpServer(t, "::1", says("6")))
	wait.Until(t, "a port is free in both families", func() bool {
		six.ID.Addr = process.FreeAddrAt(t, "::")
		four.ID.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), six.ID.Addr.Port())
		return d.Apply(t.Context(), four) == nil
	})
	apply(t, d, six)
	six.ID.Addr = netip.AddrPortFrom(netip.IPv6Loopback(), six.ID.Addr.Port()) // net dials IPv4 for [::]
	wantAnswer(t, six, "6")
	wantAnswer(t, four, "4")
}

// A virtual address may come to the host later.
func TestForeignAddress(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	for _, vip := range []string{"192.0.2.77:80", "[2001:db8::77]:80"} {
		for _, p := range []dataplane.Protocol{dataplane.TCP, dataplane.UDP} {
			apply(t, d, serviceAt(p, mustAddr(vip)))
		}
	}
}

func TestClientEndsFirst(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		b, _ := io.ReadAll(c) // sees the end of the request
		fmt.Fprintf(c, "%d bytes", len(b))
	}))
	apply(t, d, v)
	c := dial(t, v)
	fmt.Fprint(c, "a request")
	_ = c.CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "9 bytes" || err != nil {
		t.Errorf("after the end of the request came %q, %v", b, err)
	}
}

func TestServerEndsFirst(t *testing.T) {
	got := make(chan string, 1)
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		fmt.Fprint(c, "bye")
		_ = c.CloseWrite()
		b, _ := io.ReadAll(c)
		got <- string(b)
	}))
	apply(t, d, v)
	c := dial(t, v)
	if b, err := io.ReadAll(c); string(b) != "bye" || err != nil {
		t.Fatalf("the server said %q, %v", b, err)
	}
	fmt.Fprint(c, "one more thing")
	_ = c.CloseWrite()
	if s := <-got; s != "one more thing" {
		t.Errorf("after its own end the server got %q", s)
	}
}

func TestNextServer(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, dead(t), silent(t), tcpServer(t, "127.0.0.1", says("hello")))
	v.ConnectTimeout = 100 * time.Millisecond
	apply(t, d, v)
	wantAnswer(t, v, "hello")
	st := status(t, d)
	if a, b := st.Servers[0].Counters.Failures, st.Servers[1].Counters.Failures; a != 1 || b != 1 {
		t.Errorf("%d and %d failures, want 1 and 1", a, b)
	}
	if c := st.Counters; c.Connections != 1 || c.Failures != 2 || c.Refused != 0 {
		t.Errorf("totals %+v, want 1 connection, 2 failures, none refused", c)
	}
}

func TestNoServerLeft(t *testing.T) {
	for _, servers := range [][]int{{}, {0}, {1, 1}} {
		d := newPlane(t, proxy.Options{})
		v := tcpService(t)
		for _, weight := range servers {
			v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: dead(t), Weight: weight})
		}
		apply(t, d, v)
		wantTurnedAway(t, v)
		if c := status(t, d).Counters; c.Refused != 1 || c.Connections != 0 {
			t.Errorf("weights %v: totals %+v, want one refused", servers, c)
		}
		if n := active(t, d); n != 0 {
			t.Errorf("weights %v: %d connections active", servers, n)
		}
	}
}

// A client that gives up while its real server is being connected to is not
// waited for.
func TestClientGivesUp(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, silent(t))
	v.ConnectTimeout = time.Hour
	apply(t, d, v)
	c := dial(t, v)
	fmt.Fprint(c, "data that nobody reads")
	wait.Until(t, "the attempt has begun", func() bool { return active(t, d) == 1 })
	_ = c.SetLinger(0)
	_ = c.Close()
	wait.Until(t, "the attempt is over", func() bool { return active(t, d) == 0 })
	if c := status(t, d).Counters; c.Failures != 0 {
		t.Errorf("%d failures of a real server whose client had gone, want none", c.Failures)
	}
}

// A slow answer to the connection attempt does no harm to what follows.
func TestSlowConnect(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, silent(t), tcpServer(t, "127.0.0.1", echo))
	v.ConnectTimeout = 500 * time.Millisecond
	apply(t, d, v)
	c := dial(t, v)
	fmt.Fprint(c, "early")
	if b := make([]byte, 5); get[int](t)(io.ReadFull(c, b)) != 5 || string(b) != "early" {
		t.Errorf("echo %q", b)
	}
}

// While one direction moves the connection lives.
func TestIdleTimeout(t *testing.T) {
	const idle = 300 * time.Millisecond
	for _, tt := range []struct {
		name string
		busy func(client, server net.Conn) net.Conn
	}{
		{"client sends", func(client, _ net.Conn) net.Conn { return client }},
		{"server sends", func(_, server net.Conn) net.Conn { return server }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			accepted := make(chan *net.TCPConn, 1)
			hold := make(chan struct{})
			d := newPlane(t, proxy.Options{})
			v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) { accepted <- c; <-hold }))
			v.IdleTimeout = idle
			apply(t, d, v)
			client := dial(t, v)
			server := <-accepted
			defer close(hold)
			for range 20 {
				if _, err := tt.busy(client, server).Write([]byte("x")); err != nil {
					t.Fatalf("cut while something moved: %v", err)
				}
				time.Sleep(idle / 4)
			}
			wantReset(t, client)
			wantReset(t, server)
		})
	}
}

// TestLimit: a client beyond the limit waits, and is served when another one leaves.
func TestLimit(t *testing.T) {
	d := newPlane(t, proxy.Options{Limits: proxy.Limits{Connections: 2}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
	apply(t, d, v)
	first, second := dial(t, v), dial(t, v)
	for _, c := range []*net.TCPConn{first, second} {
		_, _ = io.ReadFull(c, make([]byte, 1))
	}
	third := dial(t, v)
	wait.Until(t, "it waits", func() bool { return status(t, d).Full })
	if l := d.Load().Connections; l.Used != 2 || l.Refused == 0 || l.FullListeners == 0 {
		t.Errorf("the load is %+v, want two and somebody who waits", l)
	}
	_ = first.Close()
	if _, err := io.ReadFull(third, make([]byte, 1)); err != nil {
		t.Errorf("who has waited got %v", err)
	}
	if st := status(t, d); st.Counters.Refused != 0 {
		t.Errorf("%d refused, want none", st.Counters.Refused)
	}
}

// Established connections outlive their service.
func TestRemove(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	c := dial(t, v)
	for range 2 {
		fmt.Fprint(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(t.Context(), v.ID); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, v)
	}
}

func TestClose(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, silent(t))
	v.ConnectTimeout = time.Hour
	apply(t, d, v)
	w := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
	apply(t, d, w)
	waiting, served := dial(t, v), dial(t, w)
	_, _ = io.ReadFull(served, make([]byte, 1))
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantReset(t, waiting)
	wantReset(t, served)
	wantRefused(t, w)
	_, err := d.Snapshot(t.Context())
	for _, err := range []error{err, d.Apply(t.Context(), w), d.Remove(t.Context(), w.ID), d.Drain(t.Context())} {
		if !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("after Close: %v, want %v", err, dataplane.ErrClosed)
		}
	}
}

func TestDrain(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	c := dial(t, v)
	fmt.Fprint(c, "x")
	_, _ = io.ReadFull(c, make([]byte, 1))

	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := d.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("draining with a connection there: %v, want %v", err, context.DeadlineExceeded)
	}
	wantRefused(t, v)
	late := tcpService(t, v.RealServers[0].Addr)
	apply(t, d, late)
	wantRefused(t, late)

	drained := make(chan error, 1)
	go func() { drained <- d.Drain(t.Context()) }()
	fmt.Fprint(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("while draining: %v", err)
	}
	_ = c.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// A host without descriptors left is slow to take connections, not dead, and
// says so once.
func TestNoDescriptors(t *testing.T) {
	log := &recorder{}
	d := newPlane(t, proxy.Options{Log: log.logger()})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("hello")))
	apply(t, d, v)
	wantAnswer(t, v, "hello")
	wait.Until(t, "its connection is over", func() bool { return active(t, d) == 0 })

	c := get[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(c)
	lift := exhaust(t)
	err := unix.Connect(c, &unix.SockaddrInet4{Addr: v.ID.Addr.Addr().As4(), Port: int(v.ID.Addr.Port())})
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "it is logged", func() bool { return log.count("cannot accept connections") == 1 })
	time.Sleep(50 * time.Millisecond) // several attempts
	lift()
	b := make([]byte, 5)
	if n, err := unix.Read(c, b); n < 1 || err != nil {
		t.Errorf("once there are descriptors: %v", err)
	}
	if n := log.count("cannot accept connections"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if n := d.AcceptPauses(); n == 0 {
		t.Error("no pause is counted")
	}
}

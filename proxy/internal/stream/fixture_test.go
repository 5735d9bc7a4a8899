package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A fixture is a harness with one service for connections.
type fixture struct {
	*enginetest.Harness
	fwd     *Forwarder
	h       *handler
	service *Service
	vip     netip.AddrPort
	fd      int32 // the listener
}

func newFixture(t testing.TB, servers ...netip.AddrPort) *fixture {
	t.Helper()
	r := &fixture{}
	r.Harness = enginetest.New(t, func(e *engine.Engine) { r.fwd = streams(e, 100) })
	r.h = engine.Of[*handler](r.Worker)
	r.service = newService(servers...)
	fd, err := engine.Bound(netip.MustParseAddrPort("127.0.0.1:0"), stream, false)
	r.Must(err)
	r.fd = fd
	r.Must(unix.Listen(int(fd), 100))
	r.Must(r.h.accept.listen(fd, r.service))
	name := new(engine.Sockaddr)
	engine.NameOf(fd, name)
	r.vip = name.Addr()
	return r
}

// streams has an engine forward connections.
func streams(e *engine.Engine, connections int) *Forwarder {
	return New(e, Options{Bounds: Bounds{Connections: connections}, Pipes: 8, Report: virtual.NewReporter(e)})
}

func newService(servers ...netip.AddrPort) *Service {
	v := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.TCP}, Scheduler: "rr"}
	for _, addr := range servers {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Weight: 1})
	}
	s := &Service{Service: virtual.Service{Name: "test", Books: table.New(v)}}
	s.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}})
	return s
}

// settle iterates until nothing happens any more.
func (r *fixture) settle() {
	for quiet := 0; quiet < 20; {
		if r.Worker.Iterate(0); r.Worker.Events == 0 && len(r.h.relay.queue) == 0 {
			quiet++
			time.Sleep(time.Millisecond)
		}
	}
}

func (r *fixture) dial() *net.TCPConn {
	r.Helper()
	c, err := net.Dial("tcp", r.vip.String())
	r.Must(err)
	r.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
	return c.(*net.TCPConn)
}

// pair has a client at a real server.
func (r *fixture) pair(l *net.TCPListener) (c, s *net.TCPConn) {
	r.Helper()
	c = r.dial()
	return c, r.accepted(l)
}

// accepted is the connection of the client that has come last at its real
// server.
func (r *fixture) accepted(l *net.TCPListener) (s *net.TCPConn) {
	r.Helper()
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		s, err := l.AcceptTCP()
		if err != nil {
			s = nil
		}
		accepted <- s
	}()
	r.Until("the real server is reached", func() bool {
		select {
		case s = <-accepted:
			return true
		default:
			return false
		}
	})
	r.Cleanup(func() { _ = s.Close() })
	_ = s.SetDeadline(time.Now().Add(enginetest.Generous))
	r.Until("the connection stands", func() bool { return r.only().state == relaying })
	return s
}

// only returns the one connection there is; one that is free if there is none.
func (r *fixture) only() *conn {
	only := &conn{}
	r.h.conns.all(func(c *conn) { only = c })
	return only
}

func (r *fixture) gone() bool { return r.only().state == free }

func listen(t testing.TB) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener), netip.MustParseAddrPort(l.Addr().String())
}

// silent is an address that does not answer: the backlog there is full.
func silent(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := engine.Bound(netip.MustParseAddrPort("127.0.0.1:0"), stream, false)
	if err == nil {
		err = unix.Listen(int(fd), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.CloseFD(fd) })
	name := new(engine.Sockaddr)
	engine.NameOf(fd, name)
	c, err := net.Dial("tcp", name.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	wait.For(t, "more connections wait than may", func() (string, bool) {
		// Of a listener these are how many wait, and more than how many may not.
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d that wait and %d that may", info.Unacked, info.Sacked), info.Unacked > info.Sacked
	})
	return name.Addr()
}

// receive reads in the background while the worker iterates.
func (r *fixture) receive(c net.Conn) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := io.ReadAll(c)
		done <- result{b, err}
	}()
	var got result
	r.Until("the end", func() bool {
		select {
		case got = <-done:
			return true
		default:
			return false
		}
	})
	return got.b, got.err
}

func (r *fixture) wantReset(who string, c net.Conn) {
	r.Helper()
	if _, err := r.receive(c); !errors.Is(err, unix.ECONNRESET) {
		r.Errorf("the connection of the %s ended with %v, want a reset", who, err)
	}
}

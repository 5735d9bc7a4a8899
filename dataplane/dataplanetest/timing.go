package dataplanetest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var timing = []promise{
	{"time/idle connection", "a connection on which nothing moves ends after IdleTimeout, not before", idleConnection},
	{"time/idle flow", "a flow on which nothing moves ends after IdleTimeout", idleFlow},
	{"time/connect", "a real server that does not answer is passed over after ConnectTimeout", connectTimeout},
}

// A moment is short, and long enough not to pass by accident.
const moment = 500 * time.Millisecond

func idleConnection(s *fixture) {
	p := s.tcpService("rr", 1)
	p.want.IdleTimeout = moment
	p.apply()
	c := p.held(0)
	for tries := 1; !c.moving(); tries++ {
		if tries == 10 {
			s.Fatal("this machine is too busy to tell idle from slow")
		}
		c = p.held(0)
	}
	quiet := time.Now()
	_, err := c.line()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		s.Errorf("a connection on which nothing moves is still there after %v", time.Since(quiet))
	}
	if after := time.Since(quiet); after < moment/2 {
		s.Errorf("a connection ended %v after the last byte, want %v", after, moment)
	}
	p.idle()
}

// moving keeps something moving for longer than IdleTimeout, which a limit on
// the connection as a whole would not survive. It returns false where it was
// not quick enough to tell.
func (c *conn) moving() bool {
	c.Helper()
	last := time.Now()
	for begin := last; last.Sub(begin) < moment*3/2; time.Sleep(moment / 20) {
		_ = c.SetDeadline(time.Now().Add(patience))
		err := c.echoes("on we go")
		if err != nil && time.Since(last) > moment/2 {
			return false
		}
		c.check("a connection on which something moves all the time", err)
		last = time.Now()
	}
	return true
}

func idleFlow(s *fixture) {
	p := s.udpService("rr", 1, 1)
	p.want.IdleTimeout = moment
	p.apply()
	f := p.flow(0)
	s.expect("a flow", p.asks(f, 2), "aa")
	s.until("a flow is active", func() bool { return p.server(0).Active == 1 })
	p.idle()
	s.expect("the same socket when its flow has ended", p.asks(f, 2), "bb")
}

func connectTimeout(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.want.RealServers[0].Addr = s.silent(0)
	p.want.ConnectTimeout = moment
	p.apply()
	p.takes("a does not answer", 0, "b")
	if p.own().Counters.Failures == 0 {
		s.Error("a real server did not answer and the service counts no failure")
	}
}

// silent returns an address at the i-th real server's host where connection
// attempts are neither accepted nor refused: that of a listener whose queue is
// full.
func (s *fixture) silent(i int) netip.AddrPort {
	s.Helper()
	host := s.lab.Servers[i]
	at, _ := s.place(host, 0)
	var ln net.Listener
	s.check("listen and never accept", host.do(func() (err error) {
		ln, err = net.Listen("tcp", at.String())
		return err
	}))
	s.Cleanup(func() { _ = ln.Close() })
	raw, err := ln.(*net.TCPListener).SyscallConn()
	s.check("reach the listener's descriptor", err)
	// Listening again only makes the queue smaller.
	s.check("make the queue small", raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), 0) }))
	s.until("a full queue takes no more", func() bool { return s.stalls(host, at) })
	return at
}

// stalls reports whether a connection to a listener is not accepted. One that
// is stays open.
func (s *fixture) stalls(host Host, to netip.AddrPort) bool {
	var c net.Conn
	err := host.do(func() (err error) {
		c, err = net.DialTimeout("tcp", to.String(), moment/5)
		return err
	})
	if err == nil {
		s.Cleanup(func() { _ = c.Close() })
	}
	return err != nil
}

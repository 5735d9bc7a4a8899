package dataplanetest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A toyConn is a client's connection and the one to its real server.
type toyConn struct {
	client, server *net.TCPConn
	to             netip.AddrPort
	timer          *time.Timer
}

func (c *toyConn) close() {
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}

// abort ends both connections with a reset.
func (c *toyConn) abort() {
	_ = c.client.SetLinger(0)
	if c.server != nil {
		_ = c.server.SetLinger(0)
	}
	c.close()
}

func (s *toyService) accept(ln *net.TCPListener) {
	for n := 1; ; n++ {
		client, err := ln.AcceptTCP()
		if err != nil {
			return
		}
		if n%100 == 0 && s.is("loses a few") {
			_ = client.Close()
			continue
		}
		s.work.Go(func() { s.relay(&toyConn{client: client}) })
	}
}

// relay connects a client to a real server and copies both directions.
func (s *toyService) relay(c *toyConn) {
	if !s.connect(c) {
		switch {
		case s.is("hangs when empty"):
			_, _ = io.Copy(io.Discard, c.client)
		case s.is("ends when empty"):
			c.close()
		default:
			c.abort()
		}
		return
	}
	defer s.leave(c)
	s.mu.Lock()
	c.timer = s.after(c.close)
	s.mu.Unlock()
	defer c.timer.Stop()
	var ways sync.WaitGroup
	ways.Go(func() {
		s.move(c, c.server, c.client, func(n uint64) dataplane.Counters { return dataplane.Counters{InBytes: n} })
	})
	ways.Go(func() {
		s.move(c, c.client, c.server, func(n uint64) dataplane.Counters { return dataplane.Counters{OutBytes: n} })
	})
	ways.Wait()
	c.close()
}

func (s *toyService) dial(to netip.AddrPort) (net.Conn, error) {
	s.mu.Lock()
	dialer := net.Dialer{Timeout: s.want.ConnectTimeout}
	s.mu.Unlock()
	if s.is("waits to connect") {
		dialer.Timeout = 0
	}
	return dialer.Dial("tcp", to.String())
}

// after calls fn when nothing has moved for too long. The lock is held.
func (s *toyService) after(fn func()) *time.Timer { return time.AfterFunc(s.idleTime(), fn) }

// moved puts the end off.
func (s *toyService) moved(timer *time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.is("limits life") {
		timer.Reset(s.idleTime())
	}
}

func (s *toyService) idleTime() time.Duration {
	if idle := s.want.IdleTimeout; idle > 0 && !s.is("never tires") {
		return idle
	}
	return time.Hour
}

// connect finds a real server that can be reached.
func (s *toyService) connect(c *toyConn) bool {
	client := netip.MustParseAddrPort(c.client.RemoteAddr().String()).Addr()
	tried := map[netip.AddrPort]bool{}
	for {
		to, ok := s.take(client, tried)
		if !ok {
			return false
		}
		raw, err := s.dial(to)
		s.mu.Lock()
		if err == nil && !s.closed {
			c.server, c.to = raw.(*net.TCPConn), to
			s.conns[c] = true
			s.mu.Unlock()
			return true
		}
		if err == nil {
			_ = raw.Close()
		}
		s.real(to).active--
		s.count(to, dataplane.Counters{Failures: 1})
		s.mu.Unlock()
		tried[to] = true
		if s.is("does not retry") {
			return false
		}
	}
}

// leave forgets a connection.
func (s *toyService) leave(c *toyConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	r := s.real(c.to)
	if !s.is("forgets endings") {
		r.active--
	}
	s.count(c.to, dataplane.Counters{})
}

// move copies one direction and passes on how it ends.
func (s *toyService) move(c *toyConn, to, from *net.TCPConn, as func(uint64) dataplane.Counters) {
	var r io.Reader = from
	if s.is("hoards") {
		r = readAll(from)
	}
	buf := make([]byte, 32<<10)
	var all int
	for {
		n, err := r.Read(buf)
		s.moved(c.timer)
		if all += n; s.is("garbles") && all > mib && n > 0 {
			buf[0] ^= 1
			all = 0
		}
		s.mu.Lock()
		s.count(c.to, as(uint64(n)))
		s.mu.Unlock()
		if s.is("loses the end") && err == nil && n < 10 {
			continue
		}
		if _, werr := to.Write(buf[:n]); err == nil && werr != nil {
			err = werr
		}
		if err != nil {
			s.finish(c, to, err)
			return
		}
	}
}

func (s *toyService) finish(c *toyConn, to *net.TCPConn, err error) {
	switch {
	case s.is("no half-close"):
		c.close()
	case reset(err) && !s.is("swallows resets"), s.is("resets at the end"):
		c.abort()
	case s.is("swallows resets"), errors.Is(err, io.EOF):
		_ = to.CloseWrite()
	default:
		c.close()
	}
}

// readAll reads all that comes, whether it is wanted or not.
func readAll(from io.Reader) io.Reader {
	var mu sync.Mutex
	var held []byte
	var end error
	go func() {
		buf := make([]byte, 64<<10)
		for end := error(nil); end == nil; {
			var n int
			n, end = from.Read(buf)
			mu.Lock()
			held = append(held, buf[:n]...)
			mu.Unlock()
		}
		mu.Lock()
		end = io.EOF
		mu.Unlock()
	}()
	return readerFunc(func(p []byte) (int, error) {
		for {
			mu.Lock()
			n := copy(p, held)
			held = held[n:]
			err := end
			mu.Unlock()
			if n > 0 || err != nil {
				return n, map[bool]error{true: nil, false: err}[n > 0]
			}
			time.Sleep(time.Millisecond)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A toyFlow is the socket to a real server for one client.
type toyFlow struct {
	*net.UDPConn
	to    netip.AddrPort
	timer *time.Timer
}

func (s *toyService) receive(pc *net.UDPConn) {
	buf := make([]byte, maxDatagram)
	if s.is("short datagrams") {
		buf = buf[:1000]
	}
	for {
		n, client, err := pc.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n == 0 && s.is("drops empty") {
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			continue
		}
		if f := s.flow(client); f != nil {
			f.timer.Reset(s.idleTime())
			_, _ = f.Write(buf[:n])
			s.count(f.to, dataplane.Counters{InBytes: uint64(n)})
		}
		s.mu.Unlock()
	}
}

// flow returns the flow that a datagram of client belongs to. The lock is held.
func (s *toyService) flow(client netip.AddrPort) *toyFlow {
	old := s.flows[client]
	if old != nil && (!s.want.OnePacket || s.is("knows no packets")) && !s.is("spreads flows") {
		return old
	}
	if s.is("mixes flows") {
		for _, f := range s.flows {
			return f
		}
	}
	to, ok := s.pick(client.Addr(), nil)
	if !ok {
		return nil
	}
	pc, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil
	}
	if old != nil {
		// It still has answers to bring; the toy forgets to close it before its end.
		s.work.Go(func() { time.Sleep(10 * time.Millisecond); _ = old.Close() })
	}
	f := &toyFlow{UDPConn: pc, to: to}
	f.timer = s.after(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = f.Close()
		delete(s.flows, client)
	})
	s.flows[client] = f
	s.real(to).active++
	s.count(to, dataplane.Counters{Connections: 1})
	s.work.Go(func() { s.reply(f, s.pc, client) })
	return f
}

func (s *toyService) reply(f *toyFlow, pc *net.UDPConn, client netip.AddrPort) {
	defer func() {
		f.timer.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.real(f.to).active--
	}()
	buf := make([]byte, maxDatagram)
	for n := 0; ; n++ {
		size, err := f.Read(buf)
		if err != nil || n == 1 && s.is("one reply") {
			return
		}
		_, _ = pc.WriteToUDPAddrPort(buf[:size], client)
		s.mu.Lock()
		s.count(f.to, dataplane.Counters{OutBytes: uint64(size)})
		s.mu.Unlock()
	}
}

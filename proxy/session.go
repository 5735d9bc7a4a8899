package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// defaultConnect limits an attempt to reach a real server where the service
// says nothing.
const defaultConnect = 5 * time.Second

// A session is one TCP connection of a client.
type session struct {
	service *service
	client  *net.TCPConn
	claim   table.Claim
	last    atomic.Int64 // when something moved
	ended   atomic.Int32 // directions that have come to their end

	mu     sync.Mutex
	server *net.TCPConn
	over   bool
}

// serve carries the connection from beginning to end.
func (s *session) serve() {
	d := s.service.plane
	defer d.sessions.remove(s)
	claim, server, ok := s.connect(d.ctx)
	switch {
	case !ok:
		reset(s.client)
	case server == nil:
		claim.Established()
		d.responder.ServeConn(s.service.name, s.client)
		claim.Done()
	default:
		s.claim = claim
		claim.Established()
		s.relay(server)
		claim.Done()
	}
}

// connect reaches the first real server that can be, before the client sees
// anything. A nil connection means that the sorry server is to answer.
func (s *session) connect(ctx context.Context) (table.Claim, *net.TCPConn, bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onReset(s.client, cancel)()
	client := addrPort(s.client.RemoteAddr())
	var tried []*table.Server
	for {
		claim, ok := s.service.table.Pick(client, tried)
		if !ok {
			s.service.table.Refused()
			return claim, nil, false
		}
		if s.service.sorry(claim, tried) {
			return s.apologise(claim)
		}
		server, err := s.service.dial(ctx, claim.Addr())
		switch {
		case err == nil:
			return claim, server, true
		case ctx.Err() != nil: // nobody waits for it any more
			claim.Done()
			return claim, nil, false
		}
		claim.Failed()
		s.service.plane.unreached(s.service, claim, err)
		tried = append(tried, claim.Server())
	}
}

// apologise leaves the client to the sorry server, if there is one.
func (s *session) apologise(claim table.Claim) (table.Claim, *net.TCPConn, bool) {
	if s.service.plane.responder == nil {
		claim.Done()
		s.service.table.Refused()
		return claim, nil, false
	}
	return claim, nil, true
}

// relay carries both directions until both have ended or one was reset.
func (s *session) relay(server *net.TCPConn) {
	if !s.attach(server) {
		reset(server)
		return
	}
	up, err := newPump(server, s.client, func(n int) { s.touch(); s.claim.In(0, uint64(n)) })
	if err != nil {
		s.cut()
		return
	}
	down, err := newPump(s.client, server, func(n int) { s.touch(); s.claim.Out(0, uint64(n)) })
	if err != nil {
		s.cut()
		return
	}
	up.back, down.back = down, up
	var other sync.WaitGroup
	other.Go(func() { s.carry(down) })
	s.carry(up)
	other.Wait()
	s.close()
}

// carry carries one direction: FIN for FIN and RST for RST. Whoever reads from
// a side that is gone says so to the other one; a failed write says nothing,
// because there may still be something to read.
func (s *session) carry(p *pump) {
	err := p.run()
	if errors.Is(err, errWrite) {
		return
	}
	if err == nil && !p.wasReset() {
		p.finished.Store(true)
		s.touch()
		_ = p.dst.CloseWrite()
		if s.ended.Add(1) == 2 {
			s.close()
			return
		}
		if !p.awaitReset() {
			return
		}
	}
	settle(p.dst)
	s.cut()
}

// attach makes server part of the session, unless that is over.
func (s *session) attach(server *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.touch()
	s.server = server
	return true
}

func (s *session) close() { s.end((*net.TCPConn).Close) }

// cut ends both sides at once with RST.
func (s *session) cut() {
	s.end(func(c *net.TCPConn) error { reset(c); return nil })
}

func (s *session) end(end func(*net.TCPConn) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	_ = end(s.client)
	if s.server != nil {
		_ = end(s.server)
	}
}

func (s *session) touch() { s.last.Store(s.service.plane.clock.now()) }

// sweep cuts the session if nothing has moved for too long. One that is still
// connecting, or at the sorry server, has other limits.
func (s *session) sweep(now time.Duration) {
	s.mu.Lock()
	attached := s.server != nil
	s.mu.Unlock()
	if attached && now-time.Duration(s.last.Load()) > s.service.idleTimeout() {
		s.cut()
	}
}

package sorry

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the bounds of a Server.
type Options struct {
	// Log receives messages about connections, at debug level; nil for none.
	Log *slog.Logger
	// MaxConns is the number of connections that may be open at once; 0 means
	// 2048. Further ones are reset.
	MaxConns int
	// MaxPerService is the number of open connections that one service may
	// have, so that a flood on one leaves room for the others; 0 means half of
	// MaxConns.
	MaxPerService int
}

// A Server answers for virtual services. Its methods may be called from many
// goroutines at once.
type Server struct {
	log       *slog.Logger
	limits    Options
	pace      pace
	web       *http.Server
	listener  *handover
	serving   sync.WaitGroup // the web server's accept loop
	answering sync.WaitGroup // calls of ServeConn

	mu       sync.RWMutex
	services map[string]*service
	conns    map[net.Conn]struct{} // nil once closed
}

// A service is the state of one virtual service.
type service struct {
	counters
	site atomic.Pointer[site]
}

// New returns a Server without services. The caller closes it.
func New(o Options) *Server { return newServer(o, normalPace) }

func newServer(o Options, p pace) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 2048
	}
	if o.MaxPerService <= 0 {
		o.MaxPerService = max(o.MaxConns/2, 1)
	}
	s := &Server{
		log: o.Log, limits: o, pace: p, listener: newHandover(),
		services: map[string]*service{}, conns: map[net.Conn]struct{}{},
	}
	s.web = newWeb(p, o.Log)
	s.serving.Go(func() { _ = s.web.Serve(s.listener) }) // ends with ErrServerClosed
	return s
}

// Set makes the server answer for service by w, whose page it reads anew. It is
// [Prepare] and Put. An error changes nothing.
func (s *Server) Set(service string, w Site) error {
	r, err := Prepare(w)
	if err != nil {
		return fmt.Errorf("sorry server for %s: %w", service, err)
	}
	s.Put(service, r)
	return nil
}

// Put makes the server answer for service by r. It touches no file. Open
// connections keep the site that they began with; counters go on.
func (s *Server) Put(service string, r Ready) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry(service).site.Store(r.site)
}

// PutKeeping is Put for a service whose own page cannot be read now. The service
// keeps the own page that it has until now, if any, and follows r in all else.
func (s *Server) PutKeeping(service string, r Ready) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, now := s.entry(service), *r.site
	if before := e.site.Load(); before != nil && before.own {
		now.page, now.folder, now.own = before.page, before.folder, true
	}
	e.site.Store(&now)
}

// entry returns the service of a name and makes it if need be. The caller holds
// the lock.
func (s *Server) entry(name string) *service {
	if s.services[name] == nil {
		s.services[name] = &service{}
	}
	return s.services[name]
}

// Forget stops answering for service and drops its counters. Connections that
// are open end as they would have.
func (s *Server) Forget(service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.services, service)
}

// Stats returns a copy of the counters of every service that is set.
func (s *Server) Stats() map[string]Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]Stats, len(s.services))
	for name, sv := range s.services {
		all[name] = sv.stats()
	}
	return all
}

// ServeConn answers on a connection that a client of service has made, closes
// it and returns. It takes seconds at most, whatever the client does. It resets
// a connection for a service that is not set, or beyond a bound.
func (s *Server) ServeConn(service string, c net.Conn) {
	sv := s.lookup(service)
	if sv == nil || !s.admit(sv, c) {
		reset(c)
		return
	}
	defer s.dismiss(sv, c)
	site := sv.site.Load()
	site.talk(&client{Conn: c, s: s, sv: sv, site: site})
}

// Answer returns the answer to a datagram that a client of service has sent,
// or nil if there is none. The answer is never longer than the datagram.
func (s *Server) Answer(service string, datagram []byte) []byte {
	sv := s.lookup(service)
	if sv == nil {
		return nil
	}
	var answer []byte
	if sv.site.Load().dns {
		answer = servfail(datagram)
	}
	if answer == nil {
		sv.ignored.Add(1)
		return nil
	}
	sv.queries.Add(1)
	sv.bytes.Add(uint64(len(answer)))
	return answer
}

func (s *Server) lookup(service string) *service {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.services[service]
}

// admit adds c to the open connections if there is room.
func (s *Server) admit(sv *service, c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := len(s.conns) >= s.limits.MaxConns || sv.active.Load() >= int64(s.limits.MaxPerService)
	if s.conns == nil || full {
		sv.refused.Add(1)
		return false
	}
	s.conns[c] = struct{}{}
	s.answering.Add(1)
	sv.connections.Add(1)
	sv.active.Add(1)
	return true
}

func (s *Server) dismiss(sv *service, c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close() // closed already in most cases
	sv.active.Add(-1)
	s.answering.Done()
}

// Close ends every connection and waits until all calls of ServeConn have
// returned. Connections handed over later are reset. Closing again does
// nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	err := s.web.Close()
	s.serving.Wait()
	s.answering.Wait()
	return err
}

// A pace holds the time limits of a client.
type pace struct {
	head   time.Duration // to send the head of an HTTP request
	body   time.Duration // to send head and body
	write  time.Duration // to take the answer
	sniff  time.Duration // to show what it speaks
	linger time.Duration // to close after an answer
	query  time.Duration // to send its DNS queries
}

var normalPace = pace{
	head:   5 * time.Second,
	body:   8 * time.Second,
	write:  30 * time.Second,
	sniff:  time.Second,
	linger: 2 * time.Second,
	query:  5 * time.Second,
}

package table

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Service keeps the books of one virtual service. All methods may be called
// from several goroutines at once; choices are made one after the other, so that
// the shares of a scheduler are exact with any number of callers.
type Service struct {
	id    dataplane.ServiceID
	count counters

	mu sync.Mutex
	books
}

// books are the state of a service. Their methods need its lock.
type books struct {
	spec    dataplane.VirtualService
	sched   scheduler
	servers []*Server // as in spec
	pins    pins
	// leaving are removed servers that still have connections or pinned clients.
	leaving map[netip.AddrPort]*Server
	past    map[netip.AddrPort]dataplane.Counters // of servers that were forgotten
	queue   queue
}

// New returns the books of v. It panics if there is no such scheduler.
func New(v dataplane.VirtualService) *Service {
	s := &Service{id: v.ID}
	s.leaving, s.past = map[netip.AddrPort]*Server{}, map[netip.AddrPort]dataplane.Counters{}
	s.Update(v)
	return s
}

// Update puts v into force. Servers that stay keep their connections, counts
// and pins. A scheduler with a position keeps it as the kernel's does: rr goes
// on from where it was, wrr begins its pass again when real servers change.
func (s *Service) Update(v dataplane.VirtualService) {
	s.mu.Lock()
	s.update(v)
	called := s.reorder()
	s.mu.Unlock()
	tellAll(called)
}

func (s *Service) update(v dataplane.VirtualService) {
	other := s.sched == nil || v.Scheduler != s.spec.Scheduler || !slices.Equal(v.SchedFlags, s.spec.SchedFlags)
	if other {
		s.sched = newScheduler(v)
	}
	s.pins.configure(v.Persistent, v.PersistentBits)
	if other || !slices.Equal(v.RealServers, s.spec.RealServers) {
		s.replace(v.RealServers)
		s.sched.update(regular(s.servers))
	}
	s.markCut(v.Cut)
	s.spec = v.Clone()
}

func (s *Service) replace(specs []dataplane.RealServer) {
	old, known := s.servers, s.known()
	s.servers = make([]*Server, 0, len(specs))
	for _, spec := range specs {
		sv := known[spec.Addr]
		if sv == nil {
			sv = &Server{addr: spec.Addr}
			if before, ok := s.past[spec.Addr]; ok {
				sv.before = new(before)
			}
		}
		sv.set(spec)
		if spec.Sorry {
			s.pins.forget(sv)
		}
		delete(s.leaving, spec.Addr)
		delete(known, spec.Addr)
		s.servers = append(s.servers, sv)
	}
	for _, sv := range old {
		if known[sv.addr] == sv {
			s.retire(sv)
		}
	}
}

// known returns all servers of the books, by address.
func (b *books) known() map[netip.AddrPort]*Server {
	all := make(map[netip.AddrPort]*Server, len(b.servers)+len(b.leaving))
	maps.Copy(all, b.leaving)
	for _, sv := range b.servers {
		all[sv.addr] = sv
	}
	return all
}

func (s *Service) retire(sv *Server) {
	sv.removed.Store(true)
	s.leaving[sv.addr] = sv
	s.forget(sv)
}

// forget drops a removed server that has no connection and no pinned client. Its
// counters stay.
func (s *Service) forget(sv *Server) {
	if sv.forgotten() && s.leaving[sv.addr] == sv {
		s.past[sv.addr] = sv.counted()
		delete(s.leaving, sv.addr)
	}
}

// regular returns servers without the sorry ones, which no scheduler chooses.
func regular(servers []*Server) []*Server {
	return slices.DeleteFunc(slices.Clone(servers), func(sv *Server) bool { return sv.spec.Sorry })
}

// Pick chooses a real server for client and counts the client there; tried are
// those that could not be reached for it. A pinned client gets its server even if
// that is quiescent or above its threshold, as in the kernel, but not if it is in
// tried, nor if it is quiescent and the service has ExpireQuiescent. If no other
// server can take the client, a sorry server with a weight does, even one in
// tried, whose clients get the built-in answer. No server gets more connections
// than its MaxConn, and no sorry server answers while only MaxConn keeps another
// server from taking the client. Pick returns false if no server takes the
// client; one that can wait may then Join.
func (s *Service) Pick(client netip.AddrPort, tried []*Server) (Claim, bool) {
	return s.PickAside(client, tried, nil)
}

// PickAside is Pick for a client that passes over aside, some of tried, this time
// only: a pin to one of them stays.
func (s *Service) PickAside(client netip.AddrPort, tried, aside []*Server) (Claim, bool) {
	s.mu.Lock()
	c, called, ok := s.pick(request{client: client, tried: tried, aside: aside})
	s.mu.Unlock()
	tellAll(called)
	return c, ok
}

// pick also returns the waiters to be notified: the pin of a client may move
// others to a real server with a place.
func (s *Service) pick(r request) (Claim, []*Waiter, bool) {
	sv, p := s.choose(r)
	if sv == nil {
		return Claim{}, nil, false
	}
	sv.enter()
	var called []*Waiter
	if s.queue.changed {
		called = s.admit()
	}
	return s.claim(sv, p), called, true
}

func (s *Service) claim(sv *Server, p *pin) Claim {
	return Claim{service: s, server: sv, pin: p, sorry: sv.spec.Sorry}
}

func (s *Service) choose(r request) (*Server, *pin) {
	if !s.pins.on() {
		return s.schedule(r), nil
	}
	now := s.pins.now()
	switch p := s.pins.find(r.client.Addr(), now); {
	case p == nil:
	case s.left(p):
		// The pin is removed even if no server can take the client now, as in the
		// kernel.
		s.pins.remove(p)
	case !slices.Contains(r.tried, p.server):
		if p.server.occupied() {
			return nil, nil
		}
		s.pins.renew(p, now)
		return p.server, p
	case slices.Contains(r.aside, p.server):
		return s.schedule(r), nil
	}
	sv := s.schedule(r)
	if sv == nil || sv.spec.Sorry {
		// A pin to the sorry server would show its page for longer than needed.
		return sv, nil
	}
	p := s.pins.pin(r.client.Addr(), sv, now)
	if p != nil && s.queue.waiting > 0 {
		s.requeueClient(p.client)
	}
	return sv, p
}

// left reports whether the client of p may not use the server of p.
func (b *books) left(p *pin) bool {
	return p.server.removed.Load() || p.server.cut.Load() || b.spec.ExpireQuiescent && p.server.spec.Weight == 0
}

func (s *Service) schedule(r request) *Server {
	if sv := s.sched.next(r); sv != nil {
		return sv
	}
	if s.couldTake(r) {
		return nil
	}
	var last *Server
	for _, sv := range s.servers {
		if !sv.spec.Sorry || sv.spec.Weight == 0 {
			continue
		}
		if last = sv; !slices.Contains(r.tried, sv) {
			break
		}
	}
	return last
}

// release ends a claim.
func (s *Service) release(c Claim) {
	s.mu.Lock()
	s.vacate(c)
	called := s.admit()
	s.mu.Unlock()
	tellAll(called)
}

func (s *Service) vacate(c Claim) {
	c.server.leave()
	if c.pin != nil {
		s.pins.release(c.pin)
	}
	s.forget(c.server)
}

// Refused counts a client that no real server could take.
func (s *Service) Refused(why dataplane.Refusal) { s.count.refusals[why].Add(1) }

// Denied counts a client that is not allowed.
func (s *Service) Denied() { s.count.denied.Add(1) }

// Throttled counts a client beyond the limits of its source.
func (s *Service) Throttled() { s.count.throttled.Add(1) }

// MissingHeader counts a connection of a trusted proxy without a PROXY header.
func (s *Service) MissingHeader() { s.count.missingHeader.Add(1) }

// Expire drops clients whose persistence has expired. Pick never uses an expired
// pin, so that Expire only frees memory.
func (s *Service) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins.expire(s.pins.now())
	for _, sv := range s.leaving {
		s.forget(sv)
	}
}

// Spec returns the service in force. It must not be changed.
func (s *Service) Spec() dataplane.VirtualService {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spec
}

// Status returns the service in force, with counters. It belongs to the caller.
func (s *Service) Status() dataplane.ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := dataplane.ServiceStatus{
		Service:  s.spec.Clone(),
		Counters: s.count.read(),
		Servers:  make([]dataplane.ServerStatus, 0, len(s.servers)),
	}
	st.Counters.PersistenceOverflow = s.pins.lost
	st.Counters.Queued, st.Waiting = s.queue.joined, s.queue.waiting
	for _, sv := range s.servers {
		st.Servers = append(st.Servers, sv.status())
	}
	st.Left = s.departedServers()
	return st
}

// departedServers returns the counters of servers that are not in spec, by
// address.
func (s *Service) departedServers() (left []dataplane.ServerStatus) {
	for _, sv := range s.leaving {
		left = append(left, sv.status())
	}
	var known map[netip.AddrPort]*Server
	if len(s.past) > 0 {
		known = s.known()
	}
	for addr, c := range s.past {
		if known[addr] == nil && c != (dataplane.Counters{}) {
			left = append(left, dataplane.ServerStatus{RealServer: dataplane.RealServer{Addr: addr}, Counters: c})
		}
	}
	slices.SortFunc(left, func(a, b dataplane.ServerStatus) int { return a.Addr.Compare(b.Addr) })
	return left
}

package table

import (
	"maps"
	"net/netip"
	"slices"
)

// A Waiter is a client that waits for a place at a real server.
type Waiter struct {
	service *Service
	request request
	tell    func(*Waiter)
	turn    uint64

	// The rest belongs to the service's lock.
	line          *line // nil: it waits no more
	before, after *Waiter
	kin           netip.Addr // its client as persistence has it
	pin           *pin       // held meanwhile, if persistence keeps it at its line's server
	claim         Claim
	granted       bool
}

// Join is Pick for a client that Pick had nobody for. If there is a server
// that is passed over only because it has as many connections as its MaxConn,
// or that the client is pinned to, and the service has room for one more to
// wait, a Waiter is returned, and tell is called once as soon as it has a
// place or there is none that it could wait for: then Leave says which. tell
// is called by whoever has brought that about, without any lock, and must
// neither wait nor call anything of the service. Who waits is served in the
// order of Join, as far as it is for the same servers. No claim and no Waiter
// is nobody.
func (s *Service) Join(client netip.AddrPort, tried []*Server, tell func(*Waiter)) (Claim, *Waiter, bool) {
	s.mu.Lock()
	r := request{client: client, tried: tried}
	c, called, ok := s.pick(r)
	var w *Waiter
	if !ok && s.mayWait(r) {
		s.queue.joined++
		s.queue.waiting++
		w = &Waiter{service: s, request: r, tell: tell, turn: s.queue.joined}
		s.enqueue(w)
	}
	s.mu.Unlock()
	tellAll(called)
	return c, w, ok
}

// Leave ends the waiting. It returns true if a real server had room, and the claim
// is then the caller's. It has to be called once for each Waiter.
func (w *Waiter) Leave() (Claim, bool) {
	s := w.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.line != nil {
		s.leaveQueue(w)
	}
	return w.claim, w.granted
}

// mayWait reports whether r, for which there is nobody now, has something to
// wait for.
func (b *books) mayWait(r request) bool {
	if most := b.spec.MaxQueue; most > 0 && b.queue.waiting >= most {
		return false
	}
	return b.full(r)
}

// Full reports whether there is a server that would take the client but for its
// MaxConn, or that of the one that persistence keeps it at.
func (s *Service) Full(client netip.AddrPort, tried []*Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full(request{client: client, tried: tried})
}

func (b *books) full(r request) bool { return b.pinOf(r) != nil || b.couldTake(r) }

// couldTake reports whether a server would take r with fewer connections than
// its MaxConn.
func (b *books) couldTake(r request) bool {
	return slices.ContainsFunc(b.servers, func(sv *Server) bool {
		return sv.occupied() && sv.wants(r) && !sv.spec.Sorry && b.fits(sv)
	})
}

// open reports whether there is a place for those in l.
func (b *books) open(l *line) bool {
	if l.server != nil {
		return !l.server.occupied()
	}
	r := request{tried: l.tried}
	return slices.ContainsFunc(b.servers, func(sv *Server) bool {
		return sv.takes(r) && !sv.spec.Sorry && b.fits(sv)
	})
}

// fits reports whether the scheduler could choose sv, as far as that depends
// on more than whom all of them pass over.
func (b *books) fits(sv *Server) bool {
	picky, ok := b.sched.(interface{ fits(*Server) bool })
	return !ok || picky.fits(sv)
}

// pinOf is the pin that decides where r goes, nil if none does.
func (b *books) pinOf(r request) *pin {
	if !b.pins.on() {
		return nil
	}
	p := b.pins.find(r.client.Addr(), b.pins.now())
	if p == nil || b.left(p) || slices.Contains(r.tried, p.server) {
		return nil
	}
	return p
}

// enqueue puts a waiter where its turn is among those who wait for the same.
// The pin of one that has one stays as long as it waits.
func (b *books) enqueue(w *Waiter) {
	if b.pins.on() {
		b.queue.know(w, b.pins.prefix(w.request.client.Addr()))
	}
	var at *Server
	if w.pin = b.pinOf(w.request); w.pin != nil {
		b.pins.renew(w.pin, b.pins.now())
		at = w.pin.server
	}
	b.queue.find(at, w.request.tried).insert(w)
}

// dequeue is the reverse of enqueue.
func (b *books) dequeue(w *Waiter) {
	b.queue.remove(w)
	b.queue.disown(w)
	if w.pin != nil {
		b.pins.release(w.pin)
		w.pin = nil
	}
}

// leaveQueue takes a waiter out of the queue.
func (b *books) leaveQueue(w *Waiter) {
	b.dequeue(w)
	b.queue.waiting--
}

// notify is leaveQueue for one that is to be told.
func (b *books) notify(w *Waiter) {
	b.leaveQueue(w)
	b.queue.called = append(b.queue.called, w)
}

// requeueClient puts those of one client into the lines where they have to wait now
// that persistence says something else about it.
func (b *books) requeueClient(client netip.Addr) {
	kin := inTurn(slices.Collect(maps.Keys(b.queue.kin[client])))
	b.requeue(kin)
	b.queue.stirred = b.queue.stirred || len(kin) > 0
}

func (b *books) requeue(ws []*Waiter) {
	for _, w := range ws {
		b.dequeue(w)
	}
	for _, w := range ws {
		b.enqueue(w)
	}
}

// admit gives out the places there are, to each place the one of those it is
// for who has waited longest, and returns who is to be told.
func (s *Service) admit() []*Waiter {
	if s.queue.waiting == 0 {
		return nil
	}
	for w := s.firstInTurn(); w != nil; w = s.firstInTurn() {
		s.grant(w)
	}
	if s.queue.stirred {
		s.notifyUnservable()
		s.queue.stirred = false
	}
	return s.queue.take()
}

// firstInTurn is the first of those there is a place for.
func (b *books) firstInTurn() *Waiter {
	var first *Waiter
	for _, l := range b.queue.lines {
		if (first == nil || l.first.turn < first.turn) && b.open(l) {
			first = l.first
		}
	}
	return first
}

// grant gives a waiter its place. One for whom the scheduler finds nobody all
// the same is told that there is none.
func (s *Service) grant(w *Waiter) {
	sv, p := s.choose(w.request)
	if sv != nil {
		sv.enter()
		w.claim, w.granted = s.claim(sv, p), true
	}
	s.notify(w)
}

// reorder brings the queue in line with a service that has changed, and returns
// who is to be told.
func (s *Service) reorder() []*Waiter {
	if s.queue.waiting > 0 {
		s.requeue(s.queue.all())
		s.queue.stirred = true
	}
	return s.admit()
}

// notifyUnservable calls those for whom nobody is left.
func (b *books) notifyUnservable() {
	for _, l := range slices.Clone(b.queue.lines) {
		if l.server != nil || b.couldTake(request{tried: l.tried}) {
			continue
		}
		for l.first != nil {
			b.notify(l.first)
		}
	}
}

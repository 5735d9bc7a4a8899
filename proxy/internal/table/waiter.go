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

	// The service's lock guards the rest.
	line          *line // nil when it waits no more
	before, after *Waiter
	kin           netip.Addr // its client by the prefix of persistence
	pin           *pin       // held while it waits, if persistence keeps it at the server of its line
	claim         Claim
	granted       bool
}

// Join is Pick for a client for which Pick had no server. If only MaxConn keeps a
// server from taking the client, or the client is pinned to a full server, and
// the queue of the service has room, Join returns a Waiter. tell is then called
// once, as soon as the client has a place or no server is left that it could wait
// for; Leave says which. The goroutine that has caused it calls tell without any
// lock held; tell must neither wait nor call methods of the service. Clients that
// wait for the same servers are served in the order of Join. Without a claim and
// without a Waiter the client is refused.
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

// mayWait reports whether r, for which there is no server now, can get one by
// waiting.
func (b *books) mayWait(r request) bool {
	if most := b.spec.MaxQueue; most > 0 && b.queue.waiting >= most {
		return false
	}
	return b.full(r)
}

// Full reports whether only MaxConn keeps a server from taking the client, or the
// one that persistence keeps it at.
func (s *Service) Full(client netip.AddrPort, tried []*Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full(request{client: client, tried: tried})
}

func (b *books) full(r request) bool { return b.pinOf(r) != nil || b.couldTake(r) }

// couldTake reports whether a server would take r if it had fewer connections.
func (b *books) couldTake(r request) bool {
	return slices.ContainsFunc(b.servers, func(sv *Server) bool {
		return sv.occupied() && sv.wants(r) && !sv.spec.Sorry && b.fits(sv)
	})
}

// open reports whether there is a place for the waiters of l.
func (b *books) open(l *line) bool {
	if l.server != nil {
		return !l.server.occupied()
	}
	r := request{tried: l.tried}
	return slices.ContainsFunc(b.servers, func(sv *Server) bool {
		return sv.takes(r) && !sv.spec.Sorry && b.fits(sv)
	})
}

// fits reports whether the scheduler could choose sv by its own rule, beside the
// rules that all schedulers share.
func (b *books) fits(sv *Server) bool {
	picky, ok := b.sched.(interface{ fits(*Server) bool })
	return !ok || picky.fits(sv)
}

// pinOf returns the pin that decides the server of r, nil for none.
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

// enqueue adds a waiter to the line of those that wait for the same places, in
// the order of arrival. Its pin, if any, stays as long as it waits.
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

// leaveQueue removes a waiter from the queue.
func (b *books) leaveQueue(w *Waiter) {
	b.dequeue(w)
	b.queue.waiting--
}

// notify is leaveQueue for a waiter that is to be notified.
func (b *books) notify(w *Waiter) {
	b.leaveQueue(w)
	b.queue.called = append(b.queue.called, w)
}

// requeueClient moves the waiters of one client to the lines where they have to wait
// after its pin has changed.
func (b *books) requeueClient(client netip.Addr) {
	kin := inTurn(slices.Collect(maps.Keys(b.queue.kin[client])))
	b.requeue(kin)
	b.queue.changed = b.queue.changed || len(kin) > 0
}

func (b *books) requeue(ws []*Waiter) {
	for _, w := range ws {
		b.dequeue(w)
	}
	for _, w := range ws {
		b.enqueue(w)
	}
}

// admit grants each free place to the waiter that may have it and has waited
// longest, and returns the waiters to be notified.
func (s *Service) admit() []*Waiter {
	if s.queue.waiting == 0 {
		return nil
	}
	for w := s.firstInTurn(); w != nil; w = s.firstInTurn() {
		s.grant(w)
	}
	if s.queue.changed {
		s.notifyUnservable()
		s.queue.changed = false
	}
	return s.queue.take()
}

// firstInTurn returns the waiter with a free place that has waited longest.
func (b *books) firstInTurn() *Waiter {
	var first *Waiter
	for _, l := range b.queue.lines {
		if (first == nil || l.first.turn < first.turn) && b.open(l) {
			first = l.first
		}
	}
	return first
}

// grant gives a waiter its place. If the scheduler finds no server all the same,
// the waiter gets none.
func (s *Service) grant(w *Waiter) {
	sv, p := s.choose(w.request)
	if sv != nil {
		sv.enter()
		w.claim, w.granted = s.claim(sv, p), true
	}
	s.notify(w)
}

// reorder sorts the queue anew after a change of the service, and returns the
// waiters to be notified.
func (s *Service) reorder() []*Waiter {
	if s.queue.waiting > 0 {
		s.requeue(s.queue.all())
		s.queue.changed = true
	}
	return s.admit()
}

// notifyUnservable removes the waiters that no server could take any more.
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

package stream

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// enqueue adds a client to the queue of the books if all real servers that could
// take it are full, and refuses it otherwise. It returns a claim and true if a real
// server has room after all.
func (d *dialer) enqueue(c *conn, from netip.AddrPort) (table.Claim, bool) {
	s, r := d.h.conns.refs(c).service, c.ref()
	claim, wt, ok := s.Books.Join(from, d.tried[c.index], func(wt *table.Waiter) {
		d.worker.Post(func() { d.dequeued(r, wt) })
	})
	switch {
	case ok:
	case wt == nil:
		d.refuse(c, s.Books.Full(from, d.tried[c.index]))
	default:
		d.waiting[c.index] = wt
		c.state = waiting
		c.due = d.worker.Tick + engine.Ticks(s.Settings().QueueTimeout)
		d.h.wheel.Set(c.index, c.due)
		if e := d.h.watchClient(c); e != 0 {
			c.failure = uint16(e)
			d.waitTimedOut(c)
		}
	}
	return claim, ok
}

// dequeued continues with a client that no longer waits: it has a place, or can get
// none. The client may be gone by now, or wait again.
func (d *dialer) dequeued(r engine.Ref, wt *table.Waiter) {
	c := d.h.conns.find(r)
	if c == nil || d.waiting[c.index] != wt {
		return
	}
	if claim, ok := d.leaveQueue(c); !ok || !d.proceed(c, claim) {
		d.retry(c)
	}
}

// waitTimedOut refuses a client that has waited too long, unless it has just got a
// place.
func (d *dialer) waitTimedOut(c *conn) {
	claim, ok := d.leaveQueue(c)
	switch {
	case !ok:
		d.refuse(c, true)
	case !d.proceed(c, claim):
		d.retry(c)
	}
}

// proceed continues with a claim that a client has waited for. It returns false
// if the real server cannot be reached.
func (d *dialer) proceed(c *conn, claim table.Claim) bool {
	if claim.Doomed() {
		claim.Done() // a cut may have come before the claim
		return false
	}
	from, ok := d.h.clientOf(c)
	if !ok {
		claim.Done()
		d.h.resetClient(c) // it has just been reset
		return true
	}
	return d.tryServer(c, from, claim)
}

// waitEvent handles an event of a client that waits. A client that has sent its end
// may still want the answer.
func (d *dialer) waitEvent(c *conn) {
	if c.sides[client].broken {
		d.abandonWait(c)
	}
}

// abandonWait ends a connection whose client waits.
func (d *dialer) abandonWait(c *conn) {
	if claim, ok := d.leaveQueue(c); ok {
		claim.Done()
	}
	d.h.resetClient(c)
}

// leaveQueue ends the waiting of a client.
func (d *dialer) leaveQueue(c *conn) (table.Claim, bool) {
	wt := d.waiting[c.index]
	delete(d.waiting, c.index)
	c.state = connecting
	return wt.Leave()
}

// watchClient registers the client's socket, if that has not been done.
func (h *handler) watchClient(c *conn) unix.Errno {
	if c.watched {
		return 0
	}
	e := h.watch(c, client)
	c.watched = e == 0
	return e
}

// watch registers the socket of a side for everything, once.
func (h *handler) watch(c *conn, which int) unix.Errno {
	return h.events.Add(c.sides[which].fd, socketEvents, c.index<<1|int32(which), c.gen)
}

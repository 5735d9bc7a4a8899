package loop

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// await has a client wait for a real server that is full, if there is nothing
// else but that against it, and refuses it otherwise. True is that there is
// a place after all.
func (w *worker) await(c *conn, from netip.AddrPort) (table.Claim, bool) {
	s, r := w.slab.owner(c).service, c.ref()
	claim, wt, ok := s.Books.Join(from, w.tried[c.index], func(wt *table.Waiter) {
		w.mailbox.post(func() { w.called(r, wt) })
	})
	switch {
	case ok:
	case wt == nil:
		w.refuse(c, s.Books.Full(from, w.tried[c.index]))
	default:
		w.waiting[c.index] = wt
		c.state = waiting
		c.due = w.tick + ticks(s.settings.Load().Queue)
		w.wheel.set(c, c.due)
		if e := w.watchClient(c); e != 0 {
			c.failure = uint16(e)
			w.overdue(c)
		}
	}
	return claim, ok
}

// called goes on with a client for which there is a place, or nothing to wait
// for. It may have gone, or wait anew, since.
func (w *worker) called(r ref, wt *table.Waiter) {
	c := w.slab.find(r)
	if c == nil || w.waiting[c.index] != wt {
		return
	}
	if claim, ok := w.unqueue(c); !ok || !w.proceed(c, claim) {
		w.again(c)
	}
}

// overdue refuses a client that has waited for too long, unless there has been
// a place just now.
func (w *worker) overdue(c *conn) {
	claim, ok := w.unqueue(c)
	switch {
	case !ok:
		w.refuse(c, true)
	case !w.proceed(c, claim):
		w.again(c)
	}
}

// proceed takes a place that a client has waited for. False is that the real
// server is not there.
func (w *worker) proceed(c *conn, claim table.Claim) bool {
	if claim.Doomed() {
		claim.Done() // the worker may have been asked to cut before it knew
		return false
	}
	from, ok := w.clientOf(c)
	if !ok {
		claim.Done()
		w.dismiss(c) // reset just now
		return true
	}
	return w.try(c, from, claim)
}

// waited sees what an event means for a client that waits. One that has said
// all it has to say may still want the answer.
func (w *worker) waited(c *conn) {
	if c.sides[client].broken {
		w.abandon(c)
	}
}

// abandon ends a connection whose client waits.
func (w *worker) abandon(c *conn) {
	if claim, ok := w.unqueue(c); ok {
		claim.Done()
	}
	w.dismiss(c)
}

// unqueue ends the waiting of a client.
func (w *worker) unqueue(c *conn) (table.Claim, bool) {
	wt := w.waiting[c.index]
	delete(w.waiting, c.index)
	c.state = connecting
	return wt.Leave()
}

// watchClient registers the client's socket, if it is not by now.
func (w *worker) watchClient(c *conn) unix.Errno {
	if c.watched {
		return 0
	}
	e := w.poller.watch(c, client)
	c.watched = e == 0
	return e
}

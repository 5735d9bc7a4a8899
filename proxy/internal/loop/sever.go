package loop

import (
	"context"

	"golang.org/x/sys/unix"
)

// severShare are ended before it is the turn of others again.
const severShare = 64

// Cut resets the connections of s to real servers at which its books want
// nobody, and ends its flows there; clients that are being connected to one go
// on to another. It returns when that is done or the engine has been closed,
// or else with ctx's error; then it is done all the same.
func (e *Engine) Cut(ctx context.Context, s *Service) error {
	return e.sever(ctx, func(w *worker, done chan<- struct{}) *severing { return cutting(w, s, done) })
}

// cutting is what a worker does for Cut.
func cutting(w *worker, s *Service, done chan<- struct{}) *severing {
	return &severing{
		worker: w, done: done,
		conn: func(c *conn) bool { return w.severConn(s, c) },
		flow: func(f *flow) bool { return w.severFlow(s, f) },
	}
}

// CutOthers resets all connections but those of services that stay, and those
// that a sorry server has. It returns as Cut does.
func (e *Engine) CutOthers(ctx context.Context, stay map[*Service]bool) error {
	return e.sever(ctx, func(w *worker, done chan<- struct{}) *severing {
		return &severing{
			worker: w, done: done,
			conn: func(c *conn) bool {
				if c.state == free || stay[w.slab.owner(c).service] {
					return false
				}
				w.cut(c)
				return true
			},
			flow: func(*flow) bool { return false }, // they end with their socket
		}
	})
}

// sever has every worker go through what it has.
func (e *Engine) sever(ctx context.Context, begin func(*worker, chan<- struct{}) *severing) error {
	e.mu.Lock()
	workers := e.workers
	e.mu.Unlock()
	done := make(chan struct{}, len(workers))
	for _, w := range workers {
		begin(w, done).next()
	}
	for range workers {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// A severing goes once through all connections and flows of a worker. Nothing
// new comes up behind it: nobody is given to those real servers any more.
type severing struct {
	*worker
	conn     func(*conn) bool // ends what is to end, and says so
	flow     func(*flow) bool
	done     chan<- struct{}
	at, from int32 // the next connection and flow to look at
	left     int   // of the share
}

// next asks for another share.
func (v *severing) next() {
	if !v.mailbox.post(v.share) {
		v.done <- struct{}{}
	}
}

func (v *severing) share() {
	v.left = severShare
	for ; v.left > 0 && v.at < v.slab.slots.size(); v.at++ {
		v.count(v.conn(v.slab.at(v.at)))
	}
	for ; v.left > 0 && v.from < v.flows.slots.size(); v.from++ {
		v.count(v.flow(v.flows.at(v.from)))
	}
	if v.left > 0 {
		v.done <- struct{}{}
	} else {
		v.next()
	}
}

func (v *severing) count(ended bool) {
	if ended {
		v.left--
	}
}

func (w *worker) severConn(s *Service, c *conn) bool {
	o := w.slab.owner(c)
	if c.state == free || o.service != s || o.claim.Server() == nil || !o.claim.Doomed() {
		return false
	}
	if c.state == connecting {
		w.unreached(c, unix.EHOSTDOWN)
		return true
	}
	o.claim.Cut()
	w.cut(c)
	return true
}

func (w *worker) severFlow(s *Service, f *flow) bool {
	t := w.flows.patron(f)
	if t.port == nil || t.port.service != s || !t.claim.Doomed() {
		return false
	}
	t.claim.Cut()
	w.drop(f)
	return true
}

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
	e.mu.Lock()
	workers := e.workers
	e.mu.Unlock()
	done := make(chan struct{}, len(workers))
	for _, w := range workers {
		(&severing{worker: w, service: s, done: done}).next()
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
	service    *Service
	done       chan<- struct{}
	conn, flow int32 // the next to look at
	left       int   // of the share
}

// next asks for another share.
func (v *severing) next() {
	if !v.mailbox.post(v.share) {
		v.done <- struct{}{}
	}
}

func (v *severing) share() {
	v.left = severShare
	for ; v.left > 0 && v.conn < v.slab.slots.size(); v.conn++ {
		v.severConn(v.slab.at(v.conn))
	}
	for ; v.left > 0 && v.flow < v.flows.slots.size(); v.flow++ {
		v.severFlow(v.flows.at(v.flow))
	}
	if v.left > 0 {
		v.done <- struct{}{}
	} else {
		v.next()
	}
}

func (v *severing) severConn(c *conn) {
	o := v.slab.owner(c)
	if c.state == free || o.service != v.service || o.claim.Server() == nil || !o.claim.Doomed() {
		return
	}
	v.left--
	if c.state == connecting {
		v.unreached(c, unix.EHOSTDOWN)
		return
	}
	o.claim.Cut()
	v.cut(c)
}

func (v *severing) severFlow(f *flow) {
	t := v.flows.patron(f)
	if t.port == nil || t.port.service != v.service || !t.claim.Doomed() {
		return
	}
	v.left--
	t.claim.Cut()
	v.drop(f)
}

package stream

import "github.com/shunt-lb/shunt/proxy/internal/engine"

// end closes a connection both ways of which have ended.
func (h *handler) end(c *conn) {
	for i := range c.sides {
		if fd := c.sides[i].fd; fd != engine.None {
			engine.CloseFD(fd)
		}
	}
	h.finish(c)
}

// cut ends a connection with RST.
func (h *handler) cut(c *conn) {
	if c.state == waiting {
		h.dialer.abandonWait(c)
		return
	}
	for i := range c.sides {
		reset(c.sides[i].fd)
	}
	h.finish(c)
}

// reset closes a socket with RST. It does nothing if fd is none.
func reset(fd int32) {
	if fd != engine.None {
		setAbortive(fd)
		engine.CloseFD(fd)
	}
}

// finish closes the books on a connection that has reached a real server.
func (h *handler) finish(c *conn) {
	h.relay.book(c)
	h.conns.refs(c).claim.Done()
	h.leave(c)
}

// leave gives back all that a connection holds but its sockets and its claim.
func (h *handler) leave(c *conn) {
	o := *h.conns.refs(c)
	h.release(c)
	h.fwd.release(o)
}

// release is leave for a connection that keeps its place.
func (h *handler) release(c *conn) {
	for i := range c.ways {
		h.relay.discardHeld(&c.ways[i])
	}
	h.wheel.Clear(c.index)
	delete(h.dialer.tried, c.index)
	if c.named {
		delete(h.named, c.index)
	}
	h.conns.put(c)
}

// discardHeld drops the bytes that a way holds.
func (rl *relay) discardHeld(y *way) {
	switch {
	case y.pipe.there():
		rl.pipes.discard(y.pipe)
	case y.held > 0:
		rl.unstash(y)
	}
}

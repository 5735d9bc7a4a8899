package loop

// end closes a connection that has come to its end both ways.
func (w *worker) end(c *conn) {
	for i := range c.sides {
		if fd := c.sides[i].fd; fd != none {
			closeFD(fd)
		}
	}
	w.finish(c)
}

// cut ends a connection with RST.
func (w *worker) cut(c *conn) {
	if c.state == waiting {
		w.abandon(c)
		return
	}
	for i := range c.sides {
		reset(c.sides[i].fd)
	}
	w.finish(c)
}

// reset closes a socket, if it is one, with RST.
func reset(fd int32) {
	if fd != none {
		setAbortive(fd)
		closeFD(fd)
	}
}

// finish closes the books on a connection that has reached a real server.
func (w *worker) finish(c *conn) {
	w.book(c)
	w.slab.owner(c).claim.Done()
	w.leave(c)
}

// leave gives back what a connection holds but for its sockets and its claim.
func (w *worker) leave(c *conn) {
	o := *w.slab.owner(c)
	w.release(c)
	w.engine.vacate(o)
}

// release is leave for a connection that keeps its place.
func (w *worker) release(c *conn) {
	for i := range c.ways {
		w.spill(&c.ways[i])
	}
	w.wheel.clear(c)
	delete(w.tried, c.index)
	if c.named {
		delete(w.named, c.index)
	}
	w.slab.put(c)
}

// spill drops what a way holds.
func (w *worker) spill(y *way) {
	switch {
	case y.pipe.there():
		w.pipes.discard(y.pipe)
	case y.held > 0:
		w.unstash(y)
	}
}

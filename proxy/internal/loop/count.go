package loop

// countAfter bytes are put into the books at once, fewer at the next tick.
const countAfter = 1 << 20

// touch notes that something moves. The first to move in a tick puts the
// connection among those whose bytes are counted when the tick is over.
func (w *worker) touch(c *conn) {
	if c.last == w.tick {
		return
	}
	c.last = w.tick
	w.moving = append(w.moving, c.ref())
}

// count notes that n bytes from a side have been passed on.
func (w *worker) count(c *conn, from, n int) {
	w.touch(c)
	w.passed += uint64(n)
	y := &c.ways[from]
	if y.bytes += uint64(n); y.bytes >= countAfter {
		w.book(c)
	}
}

// book puts what a connection has moved into the books, which are shared and
// therefore left alone most of the time.
func (w *worker) book(c *conn) {
	claim := w.slab.owner(c).claim
	if n := &c.ways[client].bytes; *n > 0 {
		claim.In(0, *n)
		*n = 0
	}
	if n := &c.ways[server].bytes; *n > 0 {
		claim.Out(0, *n)
		*n = 0
	}
}

func (w *worker) bookAll() {
	for _, r := range w.moving {
		if c := w.slab.find(r); c != nil {
			w.book(c)
		}
	}
	w.moving = w.moving[:0]
}

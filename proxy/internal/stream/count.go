package stream

// countAfter bytes are put into the books at once, fewer at the next tick.
const countAfter = 1 << 20

// touch notes that something moves. The first to move in a tick puts the
// connection among those whose bytes are counted when the tick is over.
func (rl *relay) touch(c *conn) {
	if c.last == rl.worker.Tick {
		return
	}
	c.last = rl.worker.Tick
	rl.moving = append(rl.moving, c.ref())
}

// count notes that n bytes from a side have been passed on.
func (rl *relay) count(c *conn, from, n int) {
	rl.touch(c)
	rl.passed += uint64(n)
	y := &c.ways[from]
	if y.bytes += uint64(n); y.bytes >= countAfter {
		rl.book(c)
	}
}

// book puts what a connection has moved into the books, which are shared and
// therefore left alone most of the time.
func (rl *relay) book(c *conn) {
	claim := rl.h.conns.refs(c).claim
	if n := &c.ways[client].bytes; *n > 0 {
		claim.In(0, *n)
		*n = 0
	}
	if n := &c.ways[server].bytes; *n > 0 {
		claim.Out(0, *n)
		*n = 0
	}
}

func (rl *relay) bookAll() {
	for _, r := range rl.moving {
		if c := rl.h.conns.find(r); c != nil {
			rl.book(c)
		}
	}
	rl.moving = rl.moving[:0]
}

package stream

// countAfter is the number of bytes that are counted in the books at once; fewer are
// counted at the next tick.
const countAfter = 1 << 20

// touch notes activity of a connection. The first one in a tick adds the connection
// to those whose bytes are counted when the tick is over.
func (rl *relay) touch(c *conn) {
	if c.last == rl.worker.Tick {
		return
	}
	c.last = rl.worker.Tick
	rl.moving = append(rl.moving, c.ref())
}

// count counts n bytes from a side that have been passed on.
func (rl *relay) count(c *conn, from, n int) {
	rl.touch(c)
	rl.passed += uint64(n)
	y := &c.ways[from]
	if y.bytes += uint64(n); y.bytes >= countAfter {
		rl.book(c)
	}
}

// book adds the bytes of a connection to the books, which all workers share and
// which are therefore seldom written.
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

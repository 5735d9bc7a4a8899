package loop

import "golang.org/x/sys/unix"

const (
	// share bytes a way may pass on, and mostReads times it may read, before
	// it is the turn of others.
	share     = 2 * pipeSize
	mostReads = 16
	// turnShare bytes are passed on from the queue in one turn: a request that
	// comes meanwhile waits for no more, however many streams there are.
	turnShare = 1 << 20
)

// move carries both ways what there is to carry, and sees to what has come to
// its end.
func (w *worker) move(c *conn) {
	up := w.carry(c, client)
	down := w.carry(c, server)
	if up || down {
		w.later(c)
	}
	w.conclude(c)
}

// carry carries what comes from one side, and reports whether there is more
// than its share.
func (w *worker) carry(c *conn, from int) bool {
	src, dst, y := &c.sides[from], &c.sides[1-from], &c.ways[from]
	more, before := true, w.passed
	for n := 0; n < mostReads && w.passed-before < share && more; n++ {
		if y.held > 0 && dst.writable && !dst.broken {
			w.drain(c, from)
		}
		// What is held although there may be room has to be tried again: only
		// after EAGAIN is there an event.
		more = dst.writable && !dst.broken && (y.held > 0 || src.readable && !src.eof)
		if more && y.held == 0 {
			w.fill(c, from)
		}
	}
	if y.held == 0 {
		w.unpipe(y)
	}
	return more
}

// fill reads once, and writes what it has read if it is at hand.
func (w *worker) fill(c *conn, from int) {
	y := &c.ways[from]
	if y.full >= spliceAfter && !y.copy && w.spliceIn(c, from) {
		return
	}
	w.unpipe(y) // what is read now is held in a stash, if at all
	if w.engine.stashed.full() {
		w.sip(c, from)
		return
	}
	n, e := recv(c.sides[from].fd, &w.buffer)
	if w.arrived(c, from, n, e) {
		w.taken(c, from, n)
		w.pass(c, from, n)
	}
}

// taken notes that n bytes have been read from a side.
func (w *worker) taken(c *conn, from, n int) {
	src, y := &c.sides[from], &c.ways[from]
	if from == server && (!c.prompt || c.hurried) {
		w.heardFrom(c)
	}
	if n < bufferSize {
		// Level or edge, the next bytes will be an event of their own, unless
		// an end that is known of makes none.
		src.readable = src.ending
		y.full, y.run = 0, 0
	} else if y.full < spliceAfter {
		y.full++
	}
}

// arrived takes down what reading from a side has come to, and reports
// whether there is something.
func (w *worker) arrived(c *conn, from, n int, e unix.Errno) bool {
	src := &c.sides[from]
	switch {
	case n > 0:
		return true
	case n == 0:
		src.eof = true
		w.touch(c)
	case e == unix.EAGAIN:
		src.readable = false
	case e == unix.EINTR:
	default:
		src.eof, src.broken = true, true
	}
	return false
}

// pass writes what is in the buffer, and stashes what is not taken.
func (w *worker) pass(c *conn, from, n int) {
	if sent := w.offer(c, from, n); sent < n && !c.sides[1-from].broken {
		c.sides[1-from].writable = false
		w.stash(&c.ways[from], w.buffer[sent:n])
	}
}

// offer writes n bytes that are in the buffer, and returns how many are taken.
func (w *worker) offer(c *conn, from, n int) int {
	if from == client && c.written < 2 {
		w.hurry(c)
	}
	sent, e := send(c.sides[1-from].fd, w.buffer[:n])
	return w.written(c, from, sent, e)
}

// hurry has nothing wait in the real server's socket for an acknowledgement.
// The first write does not wait anyway, and often is the only one. The
// sockets of clients have it from the listener.
func (w *worker) hurry(c *conn) {
	switch c.written++; c.written {
	case 1:
		c.prompt = false
	case 2:
		setOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_NODELAY, &on)
	}
}

// drain writes what is held.
func (w *worker) drain(c *conn, from int) {
	y := &c.ways[from]
	if y.pipe.there() {
		w.spliceOut(c, from)
		return
	}
	n, e := send(c.sides[1-from].fd, w.stashes.bytes(y))
	n = w.written(c, from, n, e)
	if from == client && c.preface > 0 {
		c.discount(n)
	}
	y.from += int32(n)
	if y.held -= int32(n); y.held == 0 {
		w.unstash(y)
	} else {
		c.sides[1-from].writable = false
	}
}

// written takes down what writing to the side opposite has come to, and
// returns how much was taken.
func (w *worker) written(c *conn, from, n int, e unix.Errno) int {
	dst := &c.sides[1-from]
	switch {
	case n > 0:
		w.count(c, from, n)
		return n
	case e == unix.EAGAIN:
		dst.writable = false
	case e != unix.EINTR:
		// It has been reset. There may still be something to read.
		dst.broken, dst.readable = true, true
		w.later(c)
	}
	return 0
}

// conclude passes on the ends of the ways.
func (w *worker) conclude(c *conn) {
	if c.sides[client].broken || c.sides[server].broken {
		w.settle(c)
		return
	}
	up, down := c.ended(client), c.ended(server)
	switch {
	case up && down:
		w.end(c)
	case up:
		w.tell(c, client)
	case down:
		w.tell(c, server)
	}
}

// tell passes the end of a way on.
func (w *worker) tell(c *conn, from int) {
	if y := &c.ways[from]; !y.told {
		y.told = true
		shutdownWrite(c.sides[1-from].fd)
	}
}

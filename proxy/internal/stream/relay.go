package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// share bytes a way may pass on, and mostReads times it may read, before
	// it is the turn of others.
	share     = 2 * pipeSize
	mostReads = 16
	// turnShare bytes are passed on from the queue in one turn: a request that
	// comes meanwhile waits for no more, however many streams there are.
	turnShare = 1 << 20
)

// A relay carries the bytes of a worker's connections.
type relay struct {
	h      *handler
	worker *engine.Worker

	pipes   pipes
	stashes stashes
	moving  []engine.Ref // what has moved in this tick
	queue   []engine.Ref // what has more to do than its share
	passed  uint64       // bytes of connections, ever
	// arrivals are first pieces of answers to be acknowledged.
	arrivals []arrival
	lots
}

// later puts c among those that have more to do.
func (rl *relay) later(c *conn) {
	if !c.queued {
		c.queued = true
		rl.queue = append(rl.queue, c.ref())
	}
}

// workOff gives each of those that have more to do a share, as far as that of
// the turn goes.
func (rl *relay) workOff() {
	n, before := 0, rl.passed
	for all := len(rl.queue); n < all && rl.passed-before < turnShare; n++ {
		if c := rl.h.slab.find(rl.queue[n]); c != nil {
			c.queued = false
			rl.move(c)
		}
	}
	rl.queue = append(rl.queue[:0], rl.queue[n:]...)
}

// move carries both ways what there is to carry, and sees to what has come to
// its end.
func (rl *relay) move(c *conn) {
	up := rl.carry(c, client)
	down := rl.carry(c, server)
	if up || down {
		rl.later(c)
	}
	rl.conclude(c)
}

// carry carries what comes from one side, and reports whether there is more
// than its share.
func (rl *relay) carry(c *conn, from int) bool {
	src, dst, y := &c.sides[from], &c.sides[1-from], &c.ways[from]
	more, before := true, rl.passed
	for n := 0; n < mostReads && rl.passed-before < share && more; n++ {
		if y.held > 0 && dst.writable && !dst.broken {
			rl.drain(c, from)
		}
		// What is held although there may be room has to be tried again: only
		// after EAGAIN is there an event.
		more = dst.writable && !dst.broken && (y.held > 0 || src.readable && !src.eof)
		if more && y.held == 0 {
			rl.fill(c, from)
		}
	}
	if y.held == 0 {
		rl.unpipe(y)
	}
	return more
}

// fill reads once, and writes what it has read if it is at hand.
func (rl *relay) fill(c *conn, from int) {
	y := &c.ways[from]
	if y.full >= spliceAfter && !y.copy && rl.spliceIn(c, from) {
		return
	}
	rl.unpipe(y) // what is read now is held in a stash, if at all
	if rl.h.fwd.stashed.full() {
		rl.sip(c, from)
		return
	}
	n, e := recv(c.sides[from].fd, &rl.worker.Buffer)
	if rl.arrived(c, from, n, e) {
		rl.taken(c, from, n)
		rl.pass(c, from, n)
	}
}

// taken notes that n bytes have been read from a side.
func (rl *relay) taken(c *conn, from, n int) {
	src, y := &c.sides[from], &c.ways[from]
	if from == server && (!c.prompt || c.hurried) {
		rl.heardFrom(c)
	}
	if n < engine.BufferSize {
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
func (rl *relay) arrived(c *conn, from, n int, e unix.Errno) bool {
	src := &c.sides[from]
	switch {
	case n > 0:
		return true
	case n == 0:
		src.eof = true
		rl.touch(c)
	case e == unix.EAGAIN:
		src.readable = false
	case e == unix.EINTR:
	default:
		src.eof, src.broken = true, true
	}
	return false
}

// pass writes what is in the buffer, and stashes what is not taken.
func (rl *relay) pass(c *conn, from, n int) {
	if sent := rl.offer(c, from, n); sent < n && !c.sides[1-from].broken {
		c.sides[1-from].writable = false
		rl.stash(&c.ways[from], rl.worker.Buffer[sent:n])
	}
}

// offer writes n bytes that are in the buffer, and returns how many are taken.
func (rl *relay) offer(c *conn, from, n int) int {
	if from == client && c.written < 2 {
		rl.hurry(c)
	}
	sent, e := engine.Send(c.sides[1-from].fd, rl.worker.Buffer[:n])
	return rl.written(c, from, sent, e)
}

// hurry has nothing wait in the real server's socket for an acknowledgement.
// The first write does not wait anyway, and often is the only one. The
// sockets of clients have it from the listener.
func (rl *relay) hurry(c *conn) {
	switch c.written++; c.written {
	case 1:
		c.prompt = false
	case 2:
		engine.SetOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_NODELAY, &engine.On)
	}
}

// drain writes what is held.
func (rl *relay) drain(c *conn, from int) {
	y := &c.ways[from]
	if y.pipe.there() {
		rl.spliceOut(c, from)
		return
	}
	n, e := engine.Send(c.sides[1-from].fd, rl.stashes.bytes(y))
	n = rl.written(c, from, n, e)
	if from == client && c.preface > 0 {
		c.discount(n)
	}
	y.from += int32(n)
	if y.held -= int32(n); y.held == 0 {
		rl.unstash(y)
	} else {
		c.sides[1-from].writable = false
	}
}

// written takes down what writing to the side opposite has come to, and
// returns how much was taken.
func (rl *relay) written(c *conn, from, n int, e unix.Errno) int {
	dst := &c.sides[1-from]
	switch {
	case n > 0:
		rl.count(c, from, n)
		return n
	case e == unix.EAGAIN:
		dst.writable = false
	case e != unix.EINTR:
		// It has been reset. There may still be something to read.
		dst.broken, dst.readable = true, true
		rl.later(c)
	}
	return 0
}

// conclude passes on the ends of the ways.
func (rl *relay) conclude(c *conn) {
	if c.sides[client].broken || c.sides[server].broken {
		rl.h.settle(c)
		return
	}
	up, down := c.ended(client), c.ended(server)
	switch {
	case up && down:
		rl.h.end(c)
	case up:
		rl.tell(c, client)
	case down:
		rl.tell(c, server)
	}
}

// tell passes the end of a way on.
func (rl *relay) tell(c *conn, from int) {
	if y := &c.ways[from]; !y.told {
		y.told = true
		shutdownWrite(c.sides[1-from].fd)
	}
}

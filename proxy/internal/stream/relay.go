package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// share is the number of bytes, and mostReads the number of reads, of a way
	// before others are served.
	share     = 2 * pipeSize
	mostReads = 16
	// iterationShare is the number of bytes that are passed on from the queue in one
	// iteration: a request that comes meanwhile waits for no more, however many
	// streams there are.
	iterationShare = 1 << 20
)

// A relay relays the bytes of a worker's connections.
type relay struct {
	h      *handler
	worker *engine.Worker

	pipes   pipes
	stashes stashes
	moving  []engine.Ref // connections with activity in this tick
	queue   []engine.Ref // connections with more to do than their share
	passed  uint64       // bytes of connections, ever
	// arrivals are first pieces of answers to be acknowledged.
	arrivals []arrival
	lowWater
}

// later puts c among those that have more to do.
func (rl *relay) later(c *conn) {
	if !c.queued {
		c.queued = true
		rl.queue = append(rl.queue, c.ref())
	}
}

// workQueue gives a share to each connection in the queue, until iterationShare
// is used up.
func (rl *relay) workQueue() {
	n, before := 0, rl.passed
	for all := len(rl.queue); n < all && rl.passed-before < iterationShare; n++ {
		if c := rl.h.conns.find(rl.queue[n]); c != nil {
			c.queued = false
			rl.relayBoth(c)
		}
	}
	rl.queue = append(rl.queue[:0], rl.queue[n:]...)
}

// relayBoth relays both ways, and passes their ends on.
func (rl *relay) relayBoth(c *conn) {
	up := rl.relayWay(c, client)
	down := rl.relayWay(c, server)
	if up || down {
		rl.later(c)
	}
	rl.passEnds(c)
}

// relayWay relays bytes from one side, and reports whether there are more than its
// share.
func (rl *relay) relayWay(c *conn, from int) bool {
	src, dst, y := &c.sides[from], &c.sides[1-from], &c.ways[from]
	more, before := true, rl.passed
	for n := 0; n < mostReads && rl.passed-before < share && more; n++ {
		if y.held > 0 && dst.writable && !dst.broken {
			rl.writeHeld(c, from)
		}
		// Bytes that are held although there may be room have to be tried again:
		// only after EAGAIN is there an event.
		more = dst.writable && !dst.broken && (y.held > 0 || src.readable && !src.eof)
		if more && y.held == 0 {
			rl.readOnce(c, from)
		}
	}
	if y.held == 0 {
		rl.unpipe(y)
	}
	return more
}

// readOnce reads once and writes the bytes. Those that the other side does not
// take are stashed.
func (rl *relay) readOnce(c *conn, from int) {
	y := &c.ways[from]
	if y.full >= spliceAfter && !y.copy && rl.spliceIn(c, from) {
		return
	}
	rl.unpipe(y) // bytes that are read now are held in a stash, if at all
	if rl.h.fwd.stashLimit.full() {
		rl.relayPeeked(c, from)
		return
	}
	n, e := recv(c.sides[from].fd, &rl.worker.Buffer)
	if !rl.readResult(c, from, n, e) {
		return
	}
	rl.noteRead(c, from, n)
	if sent := rl.write(c, from, n); sent < n && !c.sides[1-from].broken {
		c.sides[1-from].writable = false
		rl.stash(y, rl.worker.Buffer[sent:n])
	}
}

// noteRead notes that n bytes have been read from a side.
func (rl *relay) noteRead(c *conn, from, n int) {
	src, y := &c.sides[from], &c.ways[from]
	if from == server && (!c.ackAsked || c.quickAcked) {
		rl.firstAnswer(c)
	}
	if n < engine.BufferSize {
		// The next bytes make an event, except behind an end that has been
		// reported already.
		src.readable = src.ending
		y.full, y.run = 0, 0
	} else if y.full < spliceAfter {
		y.full++
	}
}

// readResult notes the result of reading from a side, and reports whether there
// are bytes.
func (rl *relay) readResult(c *conn, from, n int, e unix.Errno) bool {
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

// write writes n bytes that are in the buffer, and returns how many are taken.
func (rl *relay) write(c *conn, from, n int) int {
	if from == client && c.written < 2 {
		rl.noteWrite(c)
	}
	sent, e := engine.Send(c.sides[1-from].fd, rl.worker.Buffer[:n])
	return rl.writeResult(c, from, sent, e)
}

// noteWrite sets TCP_NODELAY on the real server's socket with the second write. The
// first does not wait for an acknowledgement anyway, and often is the only one. The
// sockets of clients inherit the option from the listener.
func (rl *relay) noteWrite(c *conn) {
	switch c.written++; c.written {
	case 1:
		c.ackAsked = false
	case 2:
		engine.SetOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_NODELAY, &engine.On)
	}
}

// writeHeld writes the bytes that are held.
func (rl *relay) writeHeld(c *conn, from int) {
	y := &c.ways[from]
	if y.pipe.there() {
		rl.spliceOut(c, from)
		return
	}
	n, e := engine.Send(c.sides[1-from].fd, rl.stashes.bytes(y))
	n = rl.writeResult(c, from, n, e)
	if from == client && c.headerLeft > 0 {
		c.discountHeader(n)
	}
	y.from += int32(n)
	if y.held -= int32(n); y.held == 0 {
		rl.unstash(y)
	} else {
		c.sides[1-from].writable = false
	}
}

// writeResult notes the result of writing to the side opposite, and returns how
// much was taken.
func (rl *relay) writeResult(c *conn, from, n int, e unix.Errno) int {
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

// passEnds passes on the ends of the ways.
func (rl *relay) passEnds(c *conn) {
	if c.sides[client].broken || c.sides[server].broken {
		rl.h.passReset(c)
		return
	}
	up, down := c.ended(client), c.ended(server)
	switch {
	case up && down:
		rl.h.end(c)
	case up:
		c.passEnd(client)
	case down:
		c.passEnd(server)
	}
}

// passEnd passes on the end of a way.
func (c *conn) passEnd(from int) {
	if y := &c.ways[from]; !y.endPassed {
		y.endPassed = true
		shutdownWrite(c.sides[1-from].fd)
	}
}

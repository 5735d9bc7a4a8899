package stream

import "golang.org/x/sys/unix"

const (
	// spliceAfter full buffers in a row a way counts as a stream and is
	// spliced, until less than spliceMin arrives at a time.
	spliceAfter = 2
	spliceMin   = 16 << 10
)

// spliceMost is how many bytes are taken out of a pipe at a time.
var spliceMost = pipeSize

// spliceIn reads into a pipe, and reports whether it could be tried. The pipe is
// empty, so that EAGAIN can only mean that nothing has arrived.
func (rl *relay) spliceIn(c *conn, from int) bool {
	src, y := &c.sides[from], &c.ways[from]
	if !y.pipe.there() {
		if y.pipe = rl.pipes.take(); !y.pipe.there() {
			return false
		}
	}
	n, e := splice(src.fd, y.pipe.in, pipeSize)
	switch {
	case e == unix.EINVAL:
		// Some sockets do not splice, such as those with an upper-layer protocol.
		y.copy = true
		return false
	case n == 0:
		// Before an urgent byte there is nothing to splice either. Reading
		// tells that from the end.
		return false
	}
	if rl.readResult(c, from, n, e) {
		y.held = int32(n)
		y.wake += uint32(n)
		rl.noteSpliced(c, from, n)
		rl.spliceOut(c, from)
		return true
	}
	if y.wake < spliceMin {
		y.full, y.run = 0, 0
	}
	y.wake = 0
	return true
}

// spliceOut writes what is in the pipe.
func (rl *relay) spliceOut(c *conn, from int) {
	y := &c.ways[from]
	n, e := splice(y.pipe.out, c.sides[1-from].fd, min(int(y.held), spliceMost))
	y.held -= int32(rl.writeResult(c, from, n, e))
}

// unpipe takes the empty pipe from a way.
func (rl *relay) unpipe(y *way) {
	if y.pipe.there() {
		rl.pipes.put(y.pipe)
		y.pipe = pipe{}
	}
}

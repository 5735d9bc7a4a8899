package stream

// maxStall is for how many ticks a reset waits for the other side to take more
// of what has been sent to it.
const maxStall = 10

// passReset passes on a reset. The bytes before it go first: a reset discards
// bytes that have not arrived, which would have arrived without a director.
func (h *handler) passReset(c *conn) {
	from := client
	if c.sides[server].broken {
		from = server
	}
	if c.sides[1-from].broken || c.ended(from) && h.outstanding(c, from) == 0 {
		h.cut(c)
		return
	}
	if c.state != resetting {
		c.state, c.left, c.stall = resetting, ^uint32(0), 0
		h.wheel.Set(c.index, h.worker.Tick+1)
	}
}

// outstanding returns how many bytes from a side the other one has not taken.
func (h *handler) outstanding(c *conn, from int) int {
	return int(c.ways[from].held) + unacknowledged(c.sides[1-from].fd, &h.answer)
}

// checkReset checks a reset that waits, once in a tick.
func (h *handler) checkReset(c *conn) {
	from := client
	if c.sides[server].broken {
		from = server
	}
	left := uint32(h.outstanding(c, from))
	if left < c.left || c.last+1 >= h.worker.Tick {
		c.stall = 0
	}
	c.left = left
	if c.stall++; c.stall > maxStall || c.ended(from) && left == 0 {
		h.cut(c)
		return
	}
	h.wheel.Set(c.index, h.worker.Tick+1)
}

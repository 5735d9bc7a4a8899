package stream

import "github.com/shunt-lb/shunt/proxy/internal/engine"

// sendHeader sends the PROXY header to a real server that has just been reached.
// The bytes that the client has sent by now go into the same segment: that costs
// one write, as without a header, and the server has no reason to wait for more.
// Without a free stash they follow like any others. sendHeader returns false for a
// client that has just been reset: its bytes must not go without a header.
func (d *dialer) sendHeader(c *conn, version int) bool {
	who, ok := d.h.partiesOf(c)
	if !ok {
		return false
	}
	n := len(who.Header(d.worker.Buffer[:0], version, false))
	c.headerLeft = uint8(n)
	if s := &c.sides[client]; s.readable && !d.h.fwd.stashLimit.full() {
		m, e := receive(s.fd, d.worker.Buffer[n:], 0)
		if d.h.relay.readResult(c, client, m, e) {
			n += m
			s.readable = n == engine.BufferSize || s.ending
		}
	}
	d.h.relay.noteWrite(c)
	sent, e := engine.Send(c.sides[server].fd, d.worker.Buffer[:n])
	sent = d.h.relay.writeResult(c, client, sent, e)
	c.discountHeader(sent)
	if sent < n && !c.sides[server].broken {
		c.sides[server].writable = false
		d.h.relay.stash(&c.ways[client], d.worker.Buffer[sent:n])
	}
	return true
}

// discountHeader subtracts the bytes of the header that the real server has got
// from those that are counted, since they are not the client's.
func (c *conn) discountHeader(sent int) {
	n := min(sent, int(c.headerLeft))
	c.headerLeft -= uint8(n)
	c.ways[client].bytes -= uint64(n)
}

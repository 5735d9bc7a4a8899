package sorry

import (
	"io"
	"net"
	"time"

	"github.com/shunt-lb/shunt/internal/services"
)

// A client is a connection being answered.
type client struct {
	net.Conn
	s    *Server
	sv   *service
	site *site
}

// Write implements net.Conn, and counts.
func (c *client) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sv.bytes.Add(uint64(n))
	return n, err
}

// A talk answers one client. The caller closes the connection afterwards.
type talk func(*client)

// talkOf returns how to answer the clients of a service.
func talkOf(s services.Service) talk {
	switch s.Sorry {
	case services.SorryPage:
		return web
	case services.SorryLine:
		return line(s.Line).say
	case services.SorryDNS:
		return resolver
	case services.SorryReset:
		return hangUp
	}
	return guess
}

// hangUp resets a connection whose protocol has no short refusal.
func hangUp(c *client) {
	c.sv.resets.Add(1)
	reset(c.Conn)
}

// reset closes c so that the other side sees a reset, not an end.
func reset(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // closing will do without
	}
	_ = c.Close() // nobody is left to tell
}

const lingerMax = 64 << 10

// finish ends the sending side and waits a little for the client to end its
// own. Closing at once while bytes of the client are under way would make the
// kernel send a reset, which can overtake the answer and destroy it.
func (c *client) finish() {
	if c.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(c.s.pace.linger))
	_, _ = io.CopyN(io.Discard, c.Conn, lingerMax) // the end, the deadline or the bound: all the same
}

// CloseWrite ends the sending side. net/http looks for it.
func (c *client) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

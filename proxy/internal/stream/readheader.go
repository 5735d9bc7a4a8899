package stream

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// The reasons for which a connection of a trusted proxy is refused.
var (
	errLate  = errors.New("no PROXY header within the time for connecting")
	errEnded = errors.New("connection ended without a PROXY header")
)

// awaitHeader waits for the PROXY header of a trusted proxy before anything else.
// Headers of others are payload: a receiver must not guess whether there is one
// (section 2 of proxy-protocol.txt), since anybody could send one.
func (h *handler) awaitHeader(c *conn) {
	c.state = awaitingHeader
	if e := h.watchClient(c); e != 0 {
		c.failure = uint16(e)
		h.dialer.refuse(c, false)
		return
	}
	c.due = h.worker.Tick + engine.Ticks(h.conns.refs(c).service.Settings().ConnectTimeout)
	h.wheel.Set(c.index, c.due)
}

// readHeader reads the header of a trusted proxy, and no more: the rest is for the
// real server.
func (h *handler) readHeader(c *conn) {
	s := &c.sides[client]
	// One byte more tells whether something follows the longest header.
	n, e := receive(s.fd, h.worker.Buffer[:proxyheader.MaxLen+1], unix.MSG_PEEK)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return
	case e != 0 || n == 0:
		h.headerMissing(c, errEnded)
		return
	}
	header, size, err := proxyheader.Parse(h.worker.Buffer[:n])
	switch {
	case errors.Is(err, proxyheader.ErrShort) && !s.ending && !s.broken:
		return
	case err != nil:
		h.headerMissing(c, err)
		return
	}
	_, _ = receive(s.fd, h.worker.Buffer[:size], 0) // it is there
	s.readable = n > size || s.ending
	if header.Named() {
		c.named, h.named[c.index] = true, virtual.Parties{Client: header.Source, Dest: header.Dest}
	}
	from, ok := h.clientOf(c)
	if !ok || s.broken {
		h.resetClient(c) // reset since
		return
	}
	c.state = connecting
	h.enter(c, from)
}

// headerMissing ends the connection of a trusted proxy that has sent no header.
func (h *handler) headerMissing(c *conn, err error) {
	s := h.conns.refs(c).service
	s.Books.MissingHeader()
	from, _ := h.clientOf(c)
	h.fwd.MissingHeader(&s.Service, from, err)
	h.resetClient(c)
}

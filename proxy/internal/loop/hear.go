package loop

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/proxyheader"
)

// Why a connection of a trusted proxy comes to nothing.
var (
	errLate  = errors.New("no PROXY header within the time for connecting")
	errEnded = errors.New("connection ended without a PROXY header")
)

// expect has a trusted proxy say who the client is before anything else is done.
// Nobody else is asked: what a header is must not be guessed (section 2 of
// proxy-protocol.txt), since anybody could send one.
func (w *worker) expect(c *conn) {
	c.state = introducing
	if e := w.watchClient(c); e != 0 {
		c.failure = uint16(e)
		w.refuse(c, false)
		return
	}
	c.due = w.tick + ticks(w.slab.owner(c).service.settings.Load().Connect)
	w.wheel.set(c, c.due)
}

// hear looks at what a trusted proxy has said, and takes no more of it than the
// header: the rest is for the real server.
func (w *worker) hear(c *conn) {
	s := &c.sides[client]
	// One byte more says whether something follows the longest.
	n, e := receive(s.fd, w.buffer[:proxyheader.MaxLen+1], unix.MSG_PEEK)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return
	case e != 0 || n == 0:
		w.unintroduced(c, errEnded)
		return
	}
	h, size, err := proxyheader.Parse(w.buffer[:n])
	switch {
	case errors.Is(err, proxyheader.ErrShort) && !s.ending && !s.broken:
		return
	case err != nil:
		w.unintroduced(c, err)
		return
	}
	_, _ = receive(s.fd, w.buffer[:size], 0) // it is there
	s.readable = n > size || s.ending
	w.introduced(c, h)
}

// introduced goes on with a client that is known.
func (w *worker) introduced(c *conn, h proxyheader.Header) {
	if h.Named() {
		c.named, w.named[c.index] = true, parties{h.Source, h.Dest}
	}
	from, ok := w.clientOf(c)
	if !ok || c.sides[client].broken {
		w.dismiss(c) // reset since
		return
	}
	c.state = connecting
	w.enter(c, from)
}

// unheard looks after one that has been waited for.
func (w *worker) unheard(c *conn) {
	if left := int32(c.due - w.tick); left > 0 {
		w.wheel.set(c, w.tick+uint32(left))
		return
	}
	w.unintroduced(c, errLate)
}

// unintroduced ends the connection of a trusted proxy that has not said who its
// client is.
func (w *worker) unintroduced(c *conn, err error) {
	s := w.slab.owner(c).service
	s.Books.Unintroduced()
	from, _ := w.clientOf(c)
	w.engine.unintroduced(s, from, err)
	w.dismiss(c)
}

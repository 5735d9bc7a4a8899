package loop

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// begin takes a client in, which has a place.
func (w *worker) begin(s *Service, fd int32) {
	c := w.slab.take()
	c.sides[client] = side{fd: fd, writable: true}
	w.slab.owner(c).service = s
	from := w.peer.addr()
	if s.settings.Load().trusts(from.Addr()) {
		w.expect(c)
		return
	}
	w.enter(c, from)
}

// enter has a client that is known by its address. What the books say of it may
// take a while.
func (w *worker) enter(c *conn, from netip.AddrPort) {
	o, ok := w.slab.owner(c), false
	if o.source, ok = w.screen(o.service, from); !ok {
		w.dismiss(c)
		return
	}
	w.reach(c, from)
}

// reach sets out for the next real server. Nothing is read from the client
// before one is reached, so that each of them gets all of it.
func (w *worker) reach(c *conn, from netip.AddrPort) {
	o := w.slab.owner(c)
	for {
		claim, ok := o.service.Books.Pick(from, w.tried[c.index])
		if !ok {
			if claim, ok = w.await(c, from); !ok {
				return
			}
		}
		if w.try(c, from, claim) {
			return
		}
	}
}

// try sets out for one real server. False is that it is not there.
func (w *worker) try(c *conn, from netip.AddrPort, claim table.Claim) bool {
	w.slab.owner(c).claim = claim
	if claim.Sorry() && sorry(claim, w.tried[c.index]) {
		w.apologise(c)
		return true
	}
	e := w.dial(c, from.Addr(), claim.Addr())
	if scarce(e) {
		w.forsake(c, e)
		return true
	}
	switch {
	case e == 0:
		return true
	case local(e):
		w.slab.owner(c).claim.Done()
		w.goPast(c, e, true)
	default:
		w.miss(c, e)
	}
	return false
}

// sorry reports whether the built-in sorry server is to answer: always without
// an address, or with that of the service itself, otherwise when the address
// has been tried.
func sorry(c table.Claim, tried []*table.Server) bool {
	return c.Sorry() && (c.Addr() == netip.AddrPort{} || c.Circular() || slices.Contains(tried, c.Server()))
}

// dial begins to connect. The answer is an event.
func (w *worker) dial(c *conn, from netip.Addr, to netip.AddrPort) unix.Errno {
	settings := w.slab.owner(c).service.settings.Load()
	fd, e := w.socket(w.to.set(to))
	if e != 0 {
		return e
	}
	if settings.Transparent {
		if e = w.disguise(fd, from, to.Addr()); e != 0 {
			closeFD(fd)
			return e
		}
	}
	if !w.calm && !w.slab.owner(c).service.inPieces() {
		// The last segment of the handshake waits for the request it goes with,
		// which saves a segment and has the kernel wait with others, too.
		setOption(fd, unix.SOL_TCP, unix.TCP_QUICKACK, &off)
	}
	inlineUrgent(fd)
	c.sides[server] = side{fd: fd}
	if e = connect(fd, &w.to); e == 0 || e == unix.EINPROGRESS {
		e = w.watch(c)
	}
	if e != 0 {
		w.hangUp(c)
		return e
	}
	c.due = w.tick + ticks(settings.Connect)
	w.wheel.set(c, c.due)
	return 0
}

// watch registers both sockets.
func (w *worker) watch(c *conn) unix.Errno {
	if e := w.watchClient(c); e != 0 {
		return e
	}
	return w.poller.watch(c, server)
}

// progress sees what has become of connecting.
func (w *worker) progress(c *conn, which int) {
	if c.sides[client].broken {
		w.cut(c) // nobody waits for it any more
		return
	}
	if which == client {
		return
	}
	s := &c.sides[server]
	var e unix.Errno
	if s.broken {
		e = cmp.Or(socketError(s.fd, &w.answer, &w.size), unix.ECONNRESET)
	} else if w.reachesItself(s.fd, w.slab.owner(c).claim.Addr()) {
		e = unix.ECONNREFUSED
	}
	switch {
	case e != 0:
		w.unreached(c, e)
	case s.writable:
		w.join(c)
	}
}

// reachesItself reports whether a socket has been connected to itself: what
// comes of connecting to a port of this host that nobody listens at, when the
// kernel happens to choose it for the other end too.
func (w *worker) reachesItself(fd int32, to netip.AddrPort) bool {
	return w.engine.ephemeral.Load().has(to.Port()) && nameOf(fd, &w.to) == 0 && w.to.addr() == to
}

// join has a real server that is there.
func (w *worker) join(c *conn) {
	c.state = relaying
	o := w.slab.owner(c)
	o.claim.Established()
	w.touch(c)
	settings := o.service.settings.Load()
	if settings.vigil.unheard > 0 {
		settings.vigil.heed(c.sides[server].fd)
	}
	w.wheel.set(c, w.tick+min(ticks(settings.Idle), settings.vigil.lazy))
	if settings.ProxyProtocol != 0 && !w.introduce(c, settings.ProxyProtocol) {
		w.cut(c)
		return
	}
	w.move(c)
	if c.state == relaying && c.ways[client].bytes == 0 {
		// There is no request yet, and perhaps it is the server's turn.
		c.prompt = true
		setOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_QUICKACK, &on)
	}
}

// unreached goes on to the next real server.
func (w *worker) unreached(c *conn, err unix.Errno) {
	w.hangUp(c)
	w.miss(c, err)
	w.again(c)
}

// again chooses anew.
func (w *worker) again(c *conn) {
	from, ok := w.clientOf(c)
	if !ok {
		w.dismiss(c) // reset just now
		return
	}
	w.reach(c, from)
}

// hangUp ends an attempt.
func (w *worker) hangUp(c *conn) {
	fd := c.sides[server].fd
	w.poller.forget(fd) // there is to be no event for the next one
	closeFD(fd)
	w.restock() // the next attempt may need it
	c.sides[server] = side{fd: none}
}

// miss gives back the claim of an attempt that has failed.
func (w *worker) miss(c *conn, err unix.Errno) {
	w.slab.owner(c).claim.Failed()
	w.goPast(c, err, false)
}

// goPast notes that a real server could not be reached, whose claim has been given
// back; own is that this is a matter of this host.
func (w *worker) goPast(c *conn, err unix.Errno, own bool) {
	o := w.slab.owner(c)
	w.tried[c.index] = append(w.tried[c.index], o.claim.Server())
	c.failure = uint16(err)
	w.engine.unreached(o.service, o.claim, err, own)
	o.claim = table.Claim{}
}

// refuse turns a client away that nobody takes; full is that there is somebody
// who would but for having as many as may be.
func (w *worker) refuse(c *conn, full bool) {
	e := unix.Errno(c.failure)
	w.engine.refused(w.slab.owner(c).service, e, refusal(e, full), w.tried[c.index])
	w.dismiss(c)
}

// dismiss ends a connection that has no claim.
func (w *worker) dismiss(c *conn) {
	reset(c.sides[client].fd)
	w.leave(c)
}

// apologise leaves the client to the sorry server, if there is one.
func (w *worker) apologise(c *conn) {
	o := *w.slab.owner(c)
	if o.service.Sorry == nil {
		o.claim.Done()
		w.refuse(c, false)
		return
	}
	fd := c.sides[client].fd
	if c.watched {
		w.poller.forget(fd)
	}
	w.release(c)
	o.claim.Established()
	w.engine.guests.serve(o, fd)
}

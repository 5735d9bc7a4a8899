package stream

import (
	"cmp"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A dialer finds a real server for each client of a worker.
type dialer struct {
	h      *handler
	worker *engine.Worker

	tried   map[int32][]*table.Server
	waiting map[int32]*table.Waiter
}

// begin makes a connection of a client that has been accepted and has a place.
func (h *handler) begin(s *Service, fd int32) {
	c := h.conns.take()
	c.sides[client] = side{fd: fd, writable: true}
	h.conns.refs(c).service = s
	from := h.worker.Peer.Addr()
	if s.Settings().Trusts(from.Addr()) {
		h.awaitHeader(c)
		return
	}
	h.enter(c, from)
}

// enter admits or resets a client whose address is known.
func (h *handler) enter(c *conn, from netip.AddrPort) {
	o, ok := h.conns.refs(c), false
	if o.source, ok = h.fwd.Screen(&o.service.Service, from); !ok {
		h.resetClient(c)
		return
	}
	h.dialer.connectNext(c, from)
}

// connectNext begins to connect to the next real server. Nothing is read from the
// client before a real server is reached, which therefore gets all bytes.
func (d *dialer) connectNext(c *conn, from netip.AddrPort) {
	o := d.h.conns.refs(c)
	for {
		claim, ok := o.service.Books.Pick(from, d.tried[c.index])
		if !ok {
			if claim, ok = d.enqueue(c, from); !ok {
				return
			}
		}
		if d.tryServer(c, from, claim) {
			return
		}
	}
}

// tryServer begins to connect to one real server, hands the client over or refuses
// it. It returns false if the real server cannot be reached.
func (d *dialer) tryServer(c *conn, from netip.AddrPort, claim table.Claim) bool {
	d.h.conns.refs(c).claim = claim
	if claim.Sorry() && virtual.SorryAnswers(claim, d.tried[c.index]) {
		d.handOver(c)
		return true
	}
	e := d.connect(c, from.Addr(), claim.Addr())
	if virtual.Scarce(e) {
		d.refuseForShortage(c, e)
		return true
	}
	switch {
	case e == 0:
		return true
	case virtual.Local(e):
		d.h.conns.refs(c).claim.Done()
		d.noteFailure(c, e, true)
	default:
		d.attemptFailed(c, e)
	}
	return false
}

// connect begins to connect. The answer is an event.
func (d *dialer) connect(c *conn, from netip.Addr, to netip.AddrPort) unix.Errno {
	settings := d.h.conns.refs(c).service.Settings()
	fd, e := d.h.accept.socket(d.worker.To.Set(to))
	if e != 0 {
		return e
	}
	if settings.Transparent {
		if e = d.worker.BindTransparent(fd, from, to.Addr()); e != 0 {
			engine.CloseFD(fd)
			return e
		}
	}
	if !d.h.calm() && !d.h.conns.refs(c).service.inPieces() {
		// The last segment of the handshake goes with the request, which saves a
		// segment. The kernel then delays other acknowledgements, too.
		engine.SetOption(fd, unix.SOL_TCP, unix.TCP_QUICKACK, &engine.Off)
	}
	inlineUrgent(fd)
	c.sides[server] = side{fd: fd}
	if e = engine.Connect(fd, &d.worker.To); e == 0 || e == unix.EINPROGRESS {
		e = d.watch(c)
	}
	if e != 0 {
		d.closeAttempt(c)
		return e
	}
	c.due = d.worker.Tick + engine.Ticks(settings.ConnectTimeout)
	d.h.wheel.Set(c.index, c.due)
	return 0
}

// watch registers both sockets.
func (d *dialer) watch(c *conn) unix.Errno {
	if e := d.h.watchClient(c); e != 0 {
		return e
	}
	return d.h.watch(c, server)
}

// connectEvent handles an event of a connection that is being connected.
func (d *dialer) connectEvent(c *conn, which int) {
	if c.sides[client].broken {
		d.h.cut(c) // the client has gone
		return
	}
	if which == client {
		return
	}
	s := &c.sides[server]
	var e unix.Errno
	if s.broken {
		e = cmp.Or(socketError(s.fd, &d.h.answer, &d.h.size), unix.ECONNRESET)
	} else if d.worker.ConnectedToItself(s.fd, d.h.conns.refs(c).claim.Addr()) {
		e = unix.ECONNREFUSED
	}
	switch {
	case e != 0:
		d.connectFailed(c, e)
	case s.writable:
		d.established(c)
	}
}

// established continues with a real server that has answered.
func (d *dialer) established(c *conn) {
	c.state = relaying
	o := d.h.conns.refs(c)
	o.claim.Established()
	d.h.relay.touch(c)
	settings, keepalive := o.service.Settings(), o.service.keepalive.Load()
	if keepalive.userTimeout > 0 {
		keepalive.setUserTimeout(c.sides[server].fd)
	}
	d.h.wheel.Set(c.index, d.worker.Tick+min(engine.Ticks(settings.IdleTimeout), keepalive.soonest))
	if settings.ProxyProtocol != 0 && !d.sendHeader(c, settings.ProxyProtocol) {
		d.h.cut(c)
		return
	}
	d.h.relay.relayBoth(c)
	if c.state == relaying && c.ways[client].bytes == 0 {
		// There is no request yet, and perhaps the server speaks first.
		c.ackAsked = true
		engine.SetOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_QUICKACK, &engine.On)
	}
}

// connectFailed continues with the next real server.
func (d *dialer) connectFailed(c *conn, err unix.Errno) {
	d.closeAttempt(c)
	d.attemptFailed(c, err)
	d.retry(c)
}

// retry chooses anew.
func (d *dialer) retry(c *conn) {
	from, ok := d.h.clientOf(c)
	if !ok {
		d.h.resetClient(c) // reset just now
		return
	}
	d.connectNext(c, from)
}

// closeAttempt ends an attempt.
func (d *dialer) closeAttempt(c *conn) {
	fd := c.sides[server].fd
	d.h.events.Forget(fd) // its event would count for the next attempt
	engine.CloseFD(fd)
	d.h.accept.refillReserve() // the next attempt may need it
	c.sides[server] = side{fd: engine.None}
}

// attemptFailed gives back the claim of a failed attempt.
func (d *dialer) attemptFailed(c *conn, err unix.Errno) {
	o := d.h.conns.refs(c)
	d.h.fwd.Failed(&o.service.Service, o.claim)
	d.noteFailure(c, err, false)
}

// noteFailure records that a real server could not be reached. Its claim has been
// given back. own is true if this host is at fault.
func (d *dialer) noteFailure(c *conn, err unix.Errno, own bool) {
	o := d.h.conns.refs(c)
	d.tried[c.index] = append(d.tried[c.index], o.claim.Server())
	c.failure = uint16(err)
	d.h.fwd.Unreached(&o.service.Service, o.claim, err, own)
	o.claim = table.Claim{}
}

// refuse resets a client that no real server takes. full is true if only its limit
// keeps a real server from that.
func (d *dialer) refuse(c *conn, full bool) {
	e := unix.Errno(c.failure)
	d.h.fwd.Refused(&d.h.conns.refs(c).service.Service, e, virtual.Refusal(e, full), d.tried[c.index])
	d.h.resetClient(c)
}

// resetClient ends a connection that has no claim.
func (h *handler) resetClient(c *conn) {
	reset(c.sides[client].fd)
	h.leave(c)
}

// handOver gives the client to the sorry server, if there is one.
func (d *dialer) handOver(c *conn) {
	o := *d.h.conns.refs(c)
	if o.service.Sorry == nil {
		o.claim.Done()
		d.refuse(c, false)
		return
	}
	fd := c.sides[client].fd
	if c.watched {
		d.h.events.Forget(fd)
	}
	d.h.release(c)
	o.claim.Established()
	d.h.fwd.sorry.serve(o, fd)
}

// refuseForShortage refuses a client because the host has no socket for it. The
// worker accepts no other client for a moment.
func (d *dialer) refuseForShortage(c *conn, e unix.Errno) {
	o := d.h.conns.refs(c)
	d.h.accept.pause()
	d.h.fwd.Unreached(&o.service.Service, o.claim, e, true)
	o.claim.Done()
	c.failure = uint16(e)
	d.refuse(c, false)
}

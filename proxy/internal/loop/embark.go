package loop

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// errCrowded is that there are too many flows. Where there is nothing to make a
// socket of, the error is that of the kernel.
const errCrowded = unix.EUSERS

// embark makes a flow for a client that is let in. With one-packet scheduling a
// flow is nothing that a client has: it is each datagram that counts, and is
// over at once.
func (w *worker) embark(p *port, datagram []byte, segment int) *flow {
	from := w.name(&w.origin)
	source, ok := w.screen(p.service, from)
	if !ok {
		return nil
	}
	f := w.assign(p, from, datagram, segment)
	if f != nil && !p.service.settings.Load().OnePacket && w.flows.patron(f).source == nil {
		w.flows.patron(f).source = source
	} else {
		source.Leave()
	}
	return f
}

// assign makes a flow to the first real server that a socket can be had to.
func (w *worker) assign(p *port, from netip.AddrPort, datagram []byte, segment int) *flow {
	var failed []*table.Server
	var latest unix.Errno
	o := &w.origin
	for !p.draining {
		claim, sorry, ok := p.service.pick(from, failed)
		if !ok {
			break
		}
		if sorry {
			w.excuse(p, claim, datagram, segment)
			return nil
		}
		f, e := w.board(p, o, claim)
		if e == 0 {
			return f
		}
		latest = e
		if local(e) {
			claim.Done()
		} else {
			claim.Failed()
		}
		if e == errCrowded || lacking(e) {
			break
		}
		w.engine.unreached(p.service, claim, e, local(e))
		failed = append(failed, claim.Server())
	}
	full := len(failed) == 0 && latest == 0 && p.service.Books.Full(from, nil)
	w.engine.refused(p.service, latest, refusal(latest, full), failed)
	return nil
}

// name returns the address of a client, which is the one that was named by a
// trusted proxy.
func (w *worker) name(o *origin) netip.AddrPort {
	if o.via != 0 {
		return w.flows.named.at(o.via).client
	}
	return w.sender(o)
}

// sender returns where a datagram comes from.
func (w *worker) sender(o *origin) netip.AddrPort {
	*(*address)(unsafe.Pointer(&w.peer.raw)) = o.client
	return w.peer.addr()
}

// pick asks for a real server that has not refused lately, else for any.
// apologise says that the built-in sorry server is to answer.
func (s *Service) pick(from netip.AddrPort, failed []*table.Server) (c table.Claim, apologise, ok bool) {
	tried, aside := s.refusing.of(from)
	tried = append(tried, failed...)
	if c, ok = s.Books.PickAside(from, tried, aside); !ok && len(tried) > len(failed) {
		tried = failed
		c, ok = s.Books.Pick(from, tried)
	}
	return c, ok && sorry(c, tried), ok
}

// board returns the flow of a claim that has just been made: a new one, but
// with one-packet scheduling the one there is.
func (w *worker) board(p *port, o *origin, claim table.Claim) (*flow, unix.Errno) {
	if p.service.settings.Load().OnePacket {
		for f := w.flows.lookup(o, nil); f != nil; f = w.flows.lookup(o, f) {
			if w.flows.patron(f).claim.Server() == claim.Server() {
				claim.Done()
				return f, 0
			}
		}
	}
	if w.tick == w.starved {
		return nil, w.want
	}
	if !w.place(p) {
		return nil, errCrowded
	}
	f, e := w.launch(p, o, claim)
	if e != 0 {
		w.engine.rooms.leave(&p.service.quota)
	}
	return f, e
}

// launch makes a flow.
func (w *worker) launch(p *port, o *origin, claim table.Claim) (*flow, unix.Errno) {
	fd, e := w.dialFlow(claim.Addr(), w.guise(p, o))
	if lacking(e) && w.relieve(p, e) {
		fd, e = w.dialFlow(claim.Addr(), w.guise(p, o))
	}
	if e != 0 {
		w.starve(p, claim, e)
		return nil, e
	}
	f := w.flows.take(o)
	f.fd = fd
	f.epoch = p.service.epoch.Load()
	if claim.Removed() {
		f.epoch-- // it is to be looked at again
	}
	f.last = w.tick - 1
	*w.flows.patron(f) = patron{port: p, claim: claim}
	if e = w.watchFlow(unix.EPOLL_CTL_ADD, f); e != 0 {
		closeFD(fd)
		w.flows.put(f)
		w.starve(p, claim, e)
		return nil, e
	}
	w.flows.enter(f)
	w.flows.join(p, f)
	if p.count++; w.fullest == nil || p.count > w.fullest.count {
		w.fullest = p
	}
	w.lookBy(p.limit())
	claim.Established()
	return f, 0
}

// dialFlow makes a socket for one real server, which is to see the address as
// if that is valid.
func (w *worker) dialFlow(to netip.AddrPort, as netip.Addr) (int32, unix.Errno) {
	fd, e := datagramSocket(w.to.set(to))
	if e != 0 {
		return none, e
	}
	if as.IsValid() {
		if e = w.disguise(fd, as, to.Addr()); e != 0 {
			closeFD(fd)
			return none, e
		}
	}
	setOption(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, &flowBuffer)
	setOption(fd, unix.SOL_UDP, unix.UDP_GRO, &on)
	if e = connect(fd, &w.to); e == 0 && w.reachesItself(fd, to) {
		e = unix.ECONNREFUSED
	}
	if e != 0 {
		closeFD(fd)
		return none, e
	}
	return fd, 0
}

// starve sees whether a socket could not be had because there is nothing to
// make one of. Then no flow is made in this tick any more.
func (w *worker) starve(p *port, c table.Claim, e unix.Errno) {
	if !lacking(e) {
		return
	}
	w.starved, w.want = w.tick, e
	w.engine.pauses.Add(1)
	w.engine.unreached(p.service, c, e, true)
}

// lacking reports whether e is that there is nothing to make the socket of a
// flow of. It is not that a host without an address of IPv6 has nothing to send
// from, EADDRNOTAVAIL: over UDP the kernel says EAGAIN where there is no port.
func lacking(e unix.Errno) bool { return scarce(e) || portless(e) && e != unix.EADDRNOTAVAIL }

// watchFlow has a socket tell of what arrives.
func (w *worker) watchFlow(op int, f *flow) unix.Errno {
	return w.poller.control(op, f.fd, unix.EPOLLIN|unix.EPOLLET, flowEvents|f.index, int32(f.gen))
}

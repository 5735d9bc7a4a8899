package dgram

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// An opener makes flows.
type opener struct {
	h      *handler
	worker *engine.Worker

	shortTick uint32     // tick in which the host had no more sockets
	shortErr  unix.Errno // the error of it
}

// openFlow makes a flow for a client, if that is admitted. With one-packet scheduling
// each datagram counts as a connection that is over at once, and flows are shared.
func (op *opener) openFlow(p *port, datagram []byte, segment int) *flow {
	from := op.h.name(&op.h.requests.origin)
	source, ok := op.h.fwd.Screen(&p.service.Service, from)
	if !ok {
		return nil
	}
	f := op.chooseServer(p, from, datagram, segment)
	if f != nil && !p.service.Settings().OnePacket && op.h.flows.refs(f).source == nil {
		op.h.flows.refs(f).source = source
	} else {
		source.Leave()
	}
	return f
}

// chooseServer makes a flow to the first real server for which a socket can be made.
func (op *opener) chooseServer(p *port, from netip.AddrPort, datagram []byte, segment int) *flow {
	var failed []*table.Server
	var latest unix.Errno
	o := &op.h.requests.origin
	for !p.draining {
		claim, sorry, ok := p.service.pick(from, failed)
		if !ok {
			break
		}
		if sorry {
			op.h.requests.answerSorry(p, claim, datagram, segment)
			return nil
		}
		f, e := op.flowForClaim(p, o, claim)
		if e == 0 {
			return f
		}
		latest = e
		if virtual.Local(e) {
			claim.Done()
		} else {
			claim.Failed()
		}
		if e == virtual.ErrLimit || shortage(e) {
			break
		}
		op.h.fwd.Unreached(&p.service.Service, claim, e, virtual.Local(e))
		failed = append(failed, claim.Server())
	}
	full := len(failed) == 0 && latest == 0 && p.service.Books.Full(from, nil)
	op.h.fwd.Refused(&p.service.Service, latest, virtual.Refusal(latest, full), failed)
	return nil
}

// name returns the address of a client: the one that a trusted proxy has named, or
// else the sender.
func (h *handler) name(o *origin) netip.AddrPort {
	if o.via != 0 {
		return h.flows.named.at(o.via).Client
	}
	return h.sender(o)
}

// sender returns the source address of a datagram.
func (h *handler) sender(o *origin) netip.AddrPort {
	*(*address)(unsafe.Pointer(&h.worker.Peer.Raw)) = o.client
	return h.worker.Peer.Addr()
}

// pick claims a real server that has not refused a flow lately, or else any.
// sorryAnswers is true if the built-in sorry server has to answer.
func (s *Service) pick(from netip.AddrPort, failed []*table.Server) (c table.Claim, sorryAnswers, ok bool) {
	tried, aside := s.penalties.of(from)
	tried = append(tried, failed...)
	if c, ok = s.Books.PickAside(from, tried, aside); !ok && len(tried) > len(failed) {
		tried = failed
		c, ok = s.Books.Pick(from, tried)
	}
	return c, ok && virtual.SorryAnswers(c, tried), ok
}

// flowForClaim returns the flow for a new claim: a new flow, or with one-packet
// scheduling the existing one to the real server.
func (op *opener) flowForClaim(p *port, o *origin, claim table.Claim) (*flow, unix.Errno) {
	if p.service.Settings().OnePacket {
		for f := op.h.flows.lookup(o, nil); f != nil; f = op.h.flows.lookup(o, f) {
			if op.h.flows.refs(f).claim.Server() == claim.Server() {
				claim.Done()
				return f, 0
			}
		}
	}
	if op.worker.Tick == op.shortTick {
		return nil, op.shortErr
	}
	if !op.h.evict.acquire(p) {
		return nil, virtual.ErrLimit
	}
	f, e := op.newFlow(p, o, claim)
	if e != 0 {
		op.h.fwd.limiter.Release(&p.service.Quota)
	}
	return f, e
}

// newFlow makes a flow.
func (op *opener) newFlow(p *port, o *origin, claim table.Claim) (*flow, unix.Errno) {
	fd, e := op.dialFlow(claim.Addr(), op.transparentSource(p, o))
	if shortage(e) && op.h.evict.evictForShortage(p, e) {
		fd, e = op.dialFlow(claim.Addr(), op.transparentSource(p, o))
	}
	if e != 0 {
		op.noteShortage(p, claim, e)
		return nil, e
	}
	f := op.h.flows.take(o)
	f.fd = fd
	f.epoch = p.service.epoch.Load()
	if claim.Removed() {
		f.epoch-- // its real server has to be checked again
	}
	f.last = op.worker.Tick - 1
	*op.h.flows.refs(f) = refs{port: p, claim: claim}
	if e = op.h.events.Add(f.fd, flowEvents, f.index, f.gen); e != 0 {
		engine.CloseFD(fd)
		op.h.flows.put(f)
		op.noteShortage(p, claim, e)
		return nil, e
	}
	op.h.flows.indexFlow(f)
	op.h.flows.pushNewest(p, f)
	if p.count++; op.h.evict.fullest == nil || p.count > op.h.evict.fullest.count {
		op.h.evict.fullest = p
	}
	op.h.lookBy(p.limit())
	claim.Established()
	return f, 0
}

// dialFlow makes a socket for one real server. Its source address is as, if that is
// valid.
func (op *opener) dialFlow(to netip.AddrPort, as netip.Addr) (int32, unix.Errno) {
	fd, e := datagramSocket(op.worker.To.Set(to))
	if e != 0 {
		return engine.None, e
	}
	if as.IsValid() {
		if e = op.worker.BindTransparent(fd, as, to.Addr()); e != 0 {
			engine.CloseFD(fd)
			return engine.None, e
		}
	}
	engine.SetOption(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, &flowBuffer)
	engine.SetOption(fd, unix.SOL_UDP, unix.UDP_GRO, &engine.On)
	if e = engine.Connect(fd, &op.worker.To); e == 0 && op.worker.ConnectedToItself(fd, to) {
		e = unix.ECONNREFUSED
	}
	if e != 0 {
		engine.CloseFD(fd)
		return engine.None, e
	}
	return fd, 0
}

// noteShortage handles an error of making a socket. If the host has no more sockets
// no flow is made any more in this tick.
func (op *opener) noteShortage(p *port, c table.Claim, e unix.Errno) {
	if !shortage(e) {
		return
	}
	op.shortTick, op.shortErr = op.worker.Tick, e
	op.h.fwd.pauses.Add(1)
	op.h.fwd.Unreached(&p.service.Service, c, e, true)
}

// shortage reports whether e says that this host has no descriptor, no memory or no
// port for the socket of a flow. EADDRNOTAVAIL is none of that: a host without an
// IPv6 address has no source address, and a lack of ports over UDP is EAGAIN.
func shortage(e unix.Errno) bool {
	return virtual.Scarce(e) || virtual.NoPort(e) && e != unix.EADDRNOTAVAIL
}

// transparentSource returns the source address that real servers have to see for an
// origin; the zero value if any will do.
func (op *opener) transparentSource(p *port, o *origin) netip.Addr {
	if p.service.Settings().Transparent {
		return op.h.name(o).Addr()
	}
	return netip.Addr{}
}

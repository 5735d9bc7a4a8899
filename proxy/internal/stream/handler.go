package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/wheel"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A handler has the connections of one worker.
type handler struct {
	fwd    *Forwarder
	worker *engine.Worker
	events engine.Events

	conns    conns
	wheel    *wheel.Wheel
	named    map[int32]virtual.Parties // of connections with a PROXY header
	accepted bool                      // connections have been accepted in this iteration

	accept acceptor
	dialer dialer
	relay  relay

	// answer and size are written by the kernel.
	answer int32
	size   uint32
}

func newHandler(f *Forwarder, w *engine.Worker, events engine.Events) *handler {
	h := &handler{fwd: f, worker: w, events: events, named: map[int32]virtual.Parties{}, wheel: wheel.New(w.Tick)}
	h.accept = acceptor{h: h, worker: w, reserve: reserve{engine.None, engine.None}}
	h.dialer = dialer{h: h, worker: w, tried: map[int32][]*table.Server{}, waiting: map[int32]*table.Waiter{}}
	h.relay = relay{h: h, worker: w}
	h.relay.pipes.limit = f.pipes
	h.relay.last = engine.None
	h.accept.refillReserve()
	return h
}

// Event implements Handler.
func (h *handler) Event(id int32, gen, events uint32) {
	if id < engine.Subject {
		h.handle(engine.Ref{Index: id >> 1, Gen: gen}, int(id&1), events)
	} else if l := h.accept.listeners[id-engine.Subject]; l != nil {
		h.accept.acceptUpTo(l, acceptShare)
	}
}

// Tick implements Handler.
func (h *handler) Tick() { h.relay.bookAll() }

// EndIteration implements Handler.
func (h *handler) EndIteration() {
	h.relay.workQueue()
	h.relay.acknowledge(h.worker.Events == 0)
	h.relay.resetLowWater()
	if h.worker.Ticked {
		h.wheel.Advance(h.worker.Tick, func(i int32) { h.look(h.conns.at(i)) })
		h.accept.resume()
		h.accept.retryAll()
		h.relay.pipes.trim(sparePipes)
	}
	h.accepted = false
	h.relay.endIteration()
}

// calm reports whether the worker has no more than one thing to do.
func (h *handler) calm() bool { return h.worker.Events <= 1 && !h.accepted }

// Next implements Handler.
func (h *handler) Next() (ticks int, ok bool) {
	if len(h.relay.queue) > 0 {
		return 0, true
	}
	if len(h.relay.moving) > 0 || h.accept.paused || h.accept.suspended > 0 {
		return 1, true
	}
	return h.wheel.Next()
}

// Shut implements Handler.
func (h *handler) Shut() {
	h.conns.all(h.cut)
	for _, l := range h.accept.listeners {
		if l != nil {
			engine.CloseFD(l.fd)
		}
	}
	h.relay.pipes.trim(0)
	h.accept.reserve.release()
}

// handle handles an event of a socket, whose connection may be over.
func (h *handler) handle(r engine.Ref, which int, events uint32) {
	c := h.conns.find(r)
	if c == nil {
		return
	}
	c.note(which, events)
	h.relay.noteEvent(r)
	switch c.state {
	case connecting:
		h.dialer.connectEvent(c, which)
	case waiting:
		h.dialer.waitEvent(c)
	case awaitingHeader:
		h.readHeader(c)
	default:
		if c.streams() {
			h.relay.later(c) // after requests
		} else {
			h.relay.relayBoth(c)
		}
	}
}

// note stores what an event says about a side.
func (c *conn) note(which int, events uint32) {
	s := &c.sides[which]
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0 {
		s.readable = true
	}
	if events&unix.EPOLLOUT != 0 {
		s.writable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLPRI) != 0 {
		// The kernel makes no separate event for bytes after an end that has
		// been reported already, or after an urgent byte.
		s.ending = true
	}
	if events&unix.EPOLLPRI != 0 {
		c.ways[which].copy = true // splice does not get past it
	}
	// Before the end has been passed on to a side, only a reset shuts it both
	// ways. A failed write may have consumed the error itself.
	if events&unix.EPOLLERR != 0 || events&unix.EPOLLHUP != 0 && !c.ways[1-which].endPassed {
		s.broken = true
	}
}

package dgram

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// drop ends a flow, so that the next datagram makes another.
func (h *handler) drop(f *flow) {
	s := h.flows.patron(f).port.service
	h.dismount(f)
	h.fwd.rooms.Leave(&s.Quota)
}

// replace is drop, but the place of the flow is left to one of p.
func (h *handler) replace(f *flow, p *port) {
	s := h.flows.patron(f).port.service
	h.dismount(f)
	h.fwd.rooms.Swap(&s.Quota, &p.service.Quota)
}

// dismount ends a flow that keeps its place.
func (h *handler) dismount(f *flow) {
	h.depart(f)
	h.flows.patron(f).claim.Done()
	h.flows.put(f)
}

// fail ends a flow whose real server was found not to listen, and has that one
// avoided: by its client alone if it had answered before. Where it is this host
// that has no way to it any more, who comes next finds that out by itself.
func (h *handler) fail(f *flow, e unix.Errno) {
	t := *h.flows.patron(f)
	own := e != unix.ECONNREFUSED && h.cutOff(f, t.claim.Addr())
	h.replies.salvage(t.port, f)
	h.depart(f)
	h.fwd.Unreached(&t.port.service.Service, t.claim, e, own)
	if own {
		t.claim.Done()
	} else {
		t.port.service.refusing.add(t.claim.Server(), h.name(&f.origin), f.rank != unanswered)
		t.claim.Failed()
	}
	h.flows.put(f)
	h.fwd.rooms.Leave(&t.port.service.Quota)
}

// cutOff reports whether this host has no way to the real server of a flow: the
// kernel says so at once if it is asked to connect again.
func (h *handler) cutOff(f *flow, to netip.AddrPort) bool {
	h.worker.To.Set(to)
	return engine.Connect(f.fd, &h.worker.To) != 0
}

// depart takes a flow from where it can be found.
func (h *handler) depart(f *flow) {
	h.replies.flush() // what it has got may be waiting
	h.bookFlow(f)
	engine.CloseFD(f.fd)
	h.flows.remove(f)
	p := h.flows.patron(f).port
	p.count--
	h.flows.quit(p, f)
}

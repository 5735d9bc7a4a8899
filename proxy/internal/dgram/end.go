package dgram

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// drop ends a flow, so that the next datagram makes another.
func (h *handler) drop(f *flow) {
	s := h.flows.refs(f).port.service
	h.closeFlow(f)
	h.fwd.limiter.Release(&s.Quota)
}

// replace is drop, but gives the place of the flow to p.
func (h *handler) replace(f *flow, p *port) {
	s := h.flows.refs(f).port.service
	h.closeFlow(f)
	h.fwd.limiter.Swap(&s.Quota, &p.service.Quota)
}

// closeFlow ends a flow that keeps its place.
func (h *handler) closeFlow(f *flow) {
	h.unlink(f)
	h.flows.refs(f).claim.Done()
	h.flows.put(f)
}

// serverFailed ends a flow whose real server does not listen, and makes clients avoid
// that one: all of them, or only this client if it had been answered before. If this
// host has no route to it no client avoids it, because the next one gets the error at
// once.
func (h *handler) serverFailed(f *flow, e unix.Errno) {
	t := *h.flows.refs(f)
	own := e != unix.ECONNREFUSED && h.hostUnreachable(f, t.claim.Addr())
	h.replies.drainReplies(t.port, f)
	h.unlink(f)
	h.fwd.Unreached(&t.port.service.Service, t.claim, e, own)
	if own {
		t.claim.Done()
	} else {
		t.port.service.penalties.add(t.claim.Server(), h.name(&f.origin), f.class != unanswered)
		t.claim.Failed()
	}
	h.flows.put(f)
	h.fwd.limiter.Release(&t.port.service.Quota)
}

// hostUnreachable reports whether this host has no route to the real server of a
// flow: the kernel says so when the socket connects again.
func (h *handler) hostUnreachable(f *flow, to netip.AddrPort) bool {
	h.worker.To.Set(to)
	return engine.Connect(f.fd, &h.worker.To) != 0
}

// unlink removes a flow from the index and the LRU list.
func (h *handler) unlink(f *flow) {
	h.replies.flush() // its replies may be waiting
	h.bookFlow(f)
	engine.CloseFD(f.fd)
	h.flows.unindexFlow(f)
	p := h.flows.refs(f).port
	p.count--
	h.flows.unlinkLRU(p, f)
}

package loop

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// drop ends a flow, so that the next datagram makes another.
func (w *worker) drop(f *flow) {
	s := w.flows.patron(f).port.service
	w.dismount(f)
	w.engine.rooms.leave(&s.quota)
}

// replace is drop, but the place of the flow is left to one of p.
func (w *worker) replace(f *flow, p *port) {
	s := w.flows.patron(f).port.service
	w.dismount(f)
	w.engine.rooms.swap(&s.quota, &p.service.quota)
}

// dismount ends a flow that keeps its place.
func (w *worker) dismount(f *flow) {
	w.depart(f)
	w.flows.patron(f).claim.Done()
	w.flows.put(f)
}

// fail ends a flow whose real server was found not to listen, and has that one
// avoided: by its client alone if it had answered before. Where it is this host
// that has no way to it any more, who comes next finds that out by itself.
func (w *worker) fail(f *flow, e unix.Errno) {
	t := *w.flows.patron(f)
	own := e != unix.ECONNREFUSED && w.cutOff(f, t.claim.Addr())
	w.salvage(t.port, f)
	w.depart(f)
	w.engine.unreached(t.port.service, t.claim, e, own)
	if own {
		t.claim.Done()
	} else {
		t.port.service.refusing.add(t.claim.Server(), w.name(&f.origin), f.rank != unanswered)
		t.claim.Failed()
	}
	w.flows.put(f)
	w.engine.rooms.leave(&t.port.service.quota)
}

// cutOff reports whether this host has no way to the real server of a flow: the
// kernel says so at once if it is asked to connect again.
func (w *worker) cutOff(f *flow, to netip.AddrPort) bool {
	w.to.set(to)
	return connect(f.fd, &w.to) != 0
}

// depart takes a flow from where it can be found.
func (w *worker) depart(f *flow) {
	w.flush() // what it has got may be waiting
	w.bookFlow(f)
	closeFD(f.fd)
	w.flows.remove(f)
	p := w.flows.patron(f).port
	p.count--
	w.flows.quit(p, f)
}

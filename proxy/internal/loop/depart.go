package loop

import "golang.org/x/sys/unix"

// drop ends a flow, so that the next datagram makes another.
func (w *worker) drop(f *flow) {
	w.replace(f)
	w.engine.rooms.leave()
}

// replace is drop, but the place of the flow is left to another.
func (w *worker) replace(f *flow) {
	w.depart(f)
	w.flows.patron(f).claim.Done()
	w.flows.put(f)
}

// fail ends a flow whose real server was found not to listen, and has that one
// avoided: by its client alone if it had answered before.
func (w *worker) fail(f *flow, e unix.Errno) {
	t := *w.flows.patron(f)
	w.salvage(t.port, f)
	w.depart(f)
	from := w.name(&f.origin)
	w.engine.unreached(t.port.service, t.claim, e)
	t.port.service.refusing.add(t.claim.Server(), from, f.rank != unanswered)
	t.claim.Failed()
	w.flows.put(f)
	w.engine.rooms.leave()
}

// depart takes a flow from where it can be found.
func (w *worker) depart(f *flow) {
	w.flush() // what it has got may be waiting
	w.bookFlow(f)
	closeFD(f.fd)
	w.flows.remove(f)
	w.flows.quit(w.flows.patron(f).port, f)
}

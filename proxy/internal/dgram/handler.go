package dgram

import "github.com/shunt-lb/shunt/proxy/internal/engine"

// A handler has the ports and flows of one worker.
type handler struct {
	fwd    *Forwarder
	worker *engine.Worker
	events engine.Events

	ports    []*port
	flows    flows
	touched  []engine.Ref // flows with activity in this tick
	flowsDue uint32       // tick at which to look for expired flows; 0 is never

	requests requests
	replies  replies
	open     opener
	evict    evictor
}

func newHandler(f *Forwarder, w *engine.Worker, events engine.Events) *handler {
	h := &handler{fwd: f, worker: w, events: events}
	h.requests = requests{h: h, worker: w}
	h.replies = replies{h: h, worker: w}
	h.open = opener{h: h, worker: w}
	h.evict = evictor{h: h, worker: w}
	return h
}

// Event implements Handler.
func (h *handler) Event(id int32, gen, events uint32) {
	if id < engine.Subject {
		h.replies.collect(engine.Ref{Index: id, Gen: gen}, events)
	} else if p := h.ports[id-engine.Subject]; p != nil {
		h.requests.receive(p)
	}
}

// Tick implements Handler.
func (h *handler) Tick() { h.bookFlows() }

// EndIteration implements Handler.
func (h *handler) EndIteration() {
	h.replies.flush()
	h.expire()
}

// Next implements Handler.
func (h *handler) Next() (ticks int, ok bool) {
	due, ok := h.flowsNext()
	if len(h.touched) > 0 && (due > 1 || !ok) {
		return 1, true
	}
	return due, ok
}

// Shut implements Handler.
func (h *handler) Shut() {
	for _, p := range h.ports {
		if p != nil {
			h.closePort(p.fd)
		}
	}
}

package loop

// A udp is one worker's part of a UDP: its flows.
type udp struct {
	fwd    *UDP
	worker *worker
	reg    Events

	ports    []*port
	flows    flows
	stirred  []ref  // what has moved in this tick
	flowsDue uint32 // tick at which to look for those that are over; 0 is never

	requests requests
	replies  replies
	open     opener
	evict    evictor
}

func newUDP(f *UDP, w *worker, events Events) *udp {
	h := &udp{fwd: f, worker: w, reg: events}
	h.requests = requests{h: h, worker: w}
	h.replies = replies{h: h, worker: w}
	h.open = opener{h: h, worker: w}
	h.evict = evictor{h: h, worker: w}
	return h
}

// Event implements Handler.
func (h *udp) Event(id int32, gen, events uint32) {
	if id < Subject {
		h.replies.collect(ref{id, gen}, events)
	} else if p := h.ports[id-Subject]; p != nil {
		h.requests.receive(p)
	}
}

// Tick implements Handler.
func (h *udp) Tick() { h.bookFlows() }

// Turn implements Handler.
func (h *udp) Turn() {
	h.replies.flush()
	h.expire()
}

// Next implements Handler.
func (h *udp) Next() (ticks int, ok bool) {
	due, ok := h.flowsNext()
	if len(h.stirred) > 0 && (due > 1 || !ok) {
		return 1, true
	}
	return due, ok
}

// Shut implements Handler.
func (h *udp) Shut() {
	for _, p := range h.ports {
		if p != nil {
			h.closePort(p.fd)
		}
	}
}

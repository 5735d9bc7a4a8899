package loop

import "context"

// severFlows are ended before it is the turn of others again.
const severFlows = 64

// Cut ends the flows of s to real servers at which its books want nobody. It
// returns when that is done or the engine has been closed, or else with ctx's
// error; then it is done all the same.
func (f *UDP) Cut(ctx context.Context, s *UDPService) error {
	return f.engine.steps(ctx, func(w *worker) func() bool { return of[*udp](w).cutting(s) })
}

// cutting is what a worker does for Cut, see shares.
func (h *udp) cutting(s *UDPService) func() bool {
	return shares(severFlows, h.flows.slots.size, func(i int32) bool { return h.severFlow(s, h.flows.at(i)) })
}

func (h *udp) severFlow(s *UDPService, f *flow) bool {
	t := h.flows.patron(f)
	if t.port == nil || t.port.service != s || !t.claim.Doomed() {
		return false
	}
	t.claim.Cut()
	h.drop(f)
	return true
}

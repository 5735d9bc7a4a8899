package dgram

import (
	"context"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// cutShare is the number of flows cut before events are handled again.
const cutShare = 64

// Cut ends the flows of s to real servers that its books cut. It returns nil when
// that is done or the engine has been closed, or else ctx's error; the work goes on
// then.
func (f *Forwarder) Cut(ctx context.Context, s *Service) error {
	return f.engine.Steps(ctx, func(w *engine.Worker) func() bool { return engine.Of[*handler](w).cutting(s) })
}

// cutting returns the step of one worker for Cut, see [engine.Shares].
func (h *handler) cutting(s *Service) (step func() bool) {
	return engine.Shares(cutShare, h.flows.slots.Size, func(i int32) bool {
		f := h.flows.at(i)
		t := h.flows.refs(f)
		if t.port == nil || t.port.service != s || !t.claim.Doomed() {
			return false
		}
		t.claim.Cut()
		h.drop(f)
		return true
	})
}

package stream

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// cutShare is the number of connections cut before events are handled again.
const cutShare = 64

// Cut resets the connections of s to real servers that its books cut. Clients that
// are being connected to one go on to another. It returns nil when that is done or
// the engine has been closed, or else ctx's error; the work goes on then.
func (f *Forwarder) Cut(ctx context.Context, s *Service) error {
	return f.engine.Steps(ctx, func(w *engine.Worker) func() bool { return engine.Of[*handler](w).cutting(s) })
}

// cutting returns the step of one worker for Cut, see [engine.Shares].
func (h *handler) cutting(s *Service) (step func() bool) {
	return engine.Shares(cutShare, h.conns.slots.Size, func(i int32) bool {
		c := h.conns.at(i)
		o := h.conns.refs(c)
		switch {
		case c.state == free || o.service != s || o.claim.Server() == nil || !o.claim.Doomed():
			return false
		case c.state == connecting:
			h.dialer.connectFailed(c, unix.EHOSTDOWN)
			return true
		}
		o.claim.Cut()
		h.cut(c)
		return true
	})
}

// CutOthers resets all connections but those of the services in stay and those of
// sorry servers. It returns as Cut does.
func (f *Forwarder) CutOthers(ctx context.Context, stay map[*Service]bool) error {
	return f.engine.Steps(ctx, func(w *engine.Worker) func() bool {
		h := engine.Of[*handler](w)
		return engine.Shares(cutShare, h.conns.slots.Size, func(i int32) bool {
			c := h.conns.at(i)
			if c.state == free || stay[h.conns.refs(c).service] {
				return false
			}
			h.cut(c)
			return true
		})
	})
}

package dgram

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// Connections iterates over the flows of all services; see [dataplane.Lister].
func (f *Forwarder) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return engine.Collect(ctx, f.engine, func(w *engine.Worker, from int32) ([]dataplane.Connection, int32) {
		return engine.Of[*handler](w).list(from)
	})
}

// list returns the flows in the slots from a number on, and the next number.
func (h *handler) list(from int32) (found []dataplane.Connection, next int32) {
	return engine.Slots(from, h.flows.slots.Size(), func(i int32) (dataplane.Connection, bool) {
		return h.describe(h.flows.at(i), h.flows.slots.RefsAt(i)) // a new slot has no index yet
	})
}

// describe returns what is known of a flow with its references, false if there is none.
func (h *handler) describe(f *flow, t *refs) (dataplane.Connection, bool) {
	if t.port == nil || f.fd == engine.None {
		return dataplane.Connection{}, false
	}
	who := h.partiesAt(t.port, &f.origin)
	left := int32(t.port.limit() - (h.worker.Tick - f.last))
	d := dataplane.Connection{
		Protocol: "UDP", Client: who.Client, Virtual: t.port.service.Addr, State: "UDP",
		Expires: time.Duration(max(left, 0)) * engine.TickLength,
	}
	if t.port.anywhere {
		d.Virtual = netip.AddrPortFrom(f.origin.localAddr(), d.Virtual.Port())
	}
	if t.claim.Server() != nil {
		d.Server = t.claim.Addr()
	}
	return d, true
}

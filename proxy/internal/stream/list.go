package stream

import (
	"context"
	"iter"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// Connections iterates over the connections of all services, but for those on the
// built-in sorry server; see [dataplane.Lister].
func (f *Forwarder) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return engine.Collect(ctx, f.engine, func(w *engine.Worker, from int32) ([]dataplane.Connection, int32) {
		return engine.Of[*handler](w).list(from)
	})
}

// list returns the connections in the slots from a number on, and the next number.
func (h *handler) list(from int32) (found []dataplane.Connection, next int32) {
	return engine.Slots(from, h.conns.slots.Size(), func(i int32) (dataplane.Connection, bool) { return h.describe(h.conns.at(i)) })
}

// describe returns what is known of a connection, false if there is none, or its client
// has reset it.
func (h *handler) describe(c *conn) (dataplane.Connection, bool) {
	if c.state == free {
		return dataplane.Connection{}, false
	}
	o := h.conns.refs(c)
	from, ok := h.clientOf(c)
	if !ok {
		return dataplane.Connection{}, false
	}
	d := dataplane.Connection{Protocol: "TCP", Client: from, Virtual: o.service.Addr, State: c.word(), Expires: c.expires(h.worker.Tick, o.service.Settings().IdleTimeout)}
	if !virtual.Specified(d.Virtual) {
		if who, ok := h.partiesOf(c); ok {
			d.Virtual = who.Dest
		}
	}
	if o.claim.Server() != nil {
		d.Server = o.claim.Addr()
	}
	return d, true
}

// word returns the state of a connection in one word, the kernel's where it has one.
func (c *conn) word() string {
	switch c.state {
	case awaitingHeader:
		return "HEADER"
	case waiting:
		return "WAITING"
	case connecting:
		return "CONNECTING"
	case relaying:
		if !c.ways[client].endPassed && !c.ways[server].endPassed {
			return "ESTABLISHED"
		}
	}
	return "CLOSING"
}

// expires returns the time until a connection is given up at tick if nothing moves, but
// for ticks; while it is relayed that is after idle.
func (c *conn) expires(tick uint32, idle time.Duration) time.Duration {
	left := int32(c.due - tick)
	if c.state == relaying || c.state == resetting {
		left = int32(engine.Ticks(idle) - (tick - c.last))
	}
	return time.Duration(max(left, 0)) * engine.TickLength
}

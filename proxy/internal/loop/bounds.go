package loop

import (
	"math"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
)

// Bounds are what an Engine carries at a time, over all services. Flows are
// bounded by the local ports as well, see SetPorts.
type Bounds struct {
	Connections int
	Flows       int
	Buffers     int64 // bytes held for sides that do not take them; 0 or below is no bound

	// FlowsBy says why Flows is less than FlowsAsked, if that is above 0.
	FlowsAsked int
	FlowsBy    dataplane.Scarcity
}

// allowance is what makes up the bound of flows.
type allowance struct {
	mu     sync.Mutex
	bounds Bounds
	ports  int // for flows
	found  int // what there turned out to be ports for
	by     dataplane.Scarcity
}

// Bound puts bounds in force. What is there already stays.
func (e *Engine) Bound(b Bounds) {
	e.places.bound(int64(b.Connections))
	stashes := b.Buffers / bufferSize
	if b.Buffers <= 0 {
		stashes = math.MaxInt64 / bufferSize
	}
	e.stashed.limit.Store(stashes)
	e.allow(func(a *allowance) { a.bounds = b })
}

// SetPorts says which local ports there are now.
func (e *Engine) SetPorts(p Ports) {
	e.ephemeral.Store(&p)
	e.allow(func(a *allowance) { a.ports, a.found = p.ForFlows(), math.MaxInt })
}

// shortOfPorts notes that there were no ports for more than so many flows. It
// holds until the ports are set again.
func (e *Engine) shortOfPorts(n int64) {
	e.allow(func(a *allowance) { a.found = max(1, min(a.found, int(n))) })
}

// allow bounds flows anew after a change.
func (e *Engine) allow(change func(*allowance)) {
	a := &e.allowance
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
	limit := min(a.bounds.Flows, a.ports, a.found)
	a.by = a.bounds.FlowsBy
	if limit < a.bounds.Flows {
		a.by = dataplane.Ports
	}
	e.rooms.bound(int64(limit))
}

// Load returns what the engine carries. It knows of no sources.
func (e *Engine) Load() dataplane.Load {
	l := dataplane.Load{
		Connections: e.places.load(1), Flows: e.rooms.load(1), Buffers: e.stashed.load(bufferSize),
		Evicted: e.evictions.Load(), Pauses: e.pauses.Load(),
	}
	a := &e.allowance
	a.mu.Lock()
	defer a.mu.Unlock()
	l.Flows.By = a.by
	if asked := int64(a.bounds.FlowsAsked); asked > l.Flows.Limit {
		l.Flows.Asked = asked
	}
	return l
}

// load tells of places of which each is worth so much.
func (p *places) load(each int64) dataplane.Room {
	return dataplane.Room{
		Used: p.taken.Load() * each, Limit: p.limit.Load() * each, Refused: p.refused.Load(),
		Own: p.own.Load(), Holding: p.queue.waiting.Load(),
	}
}

package loop

import (
	"math"

	"github.com/shunt-lb/shunt/dataplane"
)

// Bounds are what an Engine carries at a time, over all services.
type Bounds struct {
	Connections int
	Flows       int
	Buffers     int64 // bytes held for sides that do not take them; 0 or below is no bound
}

// Bound puts bounds in force. What is there already stays.
func (e *Engine) Bound(b Bounds) {
	e.places.limit.Store(int64(b.Connections))
	e.rooms.limit.Store(int64(b.Flows))
	stashes := b.Buffers / bufferSize
	if b.Buffers <= 0 {
		stashes = math.MaxInt64 / bufferSize
	}
	e.stashed.limit.Store(stashes)
}

// Load returns what the engine carries. It knows of no sources.
func (e *Engine) Load() dataplane.Load {
	return dataplane.Load{
		Connections: e.places.load(1), Flows: e.rooms.load(1), Buffers: e.stashed.load(bufferSize),
		Evicted: e.evictions.Load(), Pauses: e.pauses.Load(),
	}
}

// load tells of places of which each is worth so much.
func (p *places) load(each int64) dataplane.Room {
	return dataplane.Room{Used: p.taken.Load() * each, Limit: p.limit.Load() * each, Refused: p.refused.Load()}
}

package proxy

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// sweepEvery is how coarse idle timeouts are: they come up to twice this late
// and never early.
const sweepEvery = 250 * time.Millisecond

// A clock is the time as sweeps see it, read for nearly nothing on the path of
// the data.
type clock struct{ ticks atomic.Int64 }

// now returns a time that has not been yet, so that nothing seems idle for
// longer than it is.
func (c *clock) now() int64 { return (c.ticks.Load() + 1) * int64(sweepEvery) }

// tick advances the clock and returns the time.
func (c *clock) tick() time.Duration { return time.Duration(c.ticks.Add(1)) * sweepEvery }

// sweep looks after everything that ends because nothing happens. It ends with
// d.ctx.
func (d *Dataplane) sweep() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
			d.sweepOnce(d.clock.tick())
		}
	}
}

func (d *Dataplane) sweepOnce(now time.Duration) {
	d.flows.sweep(now)
	d.mu.Lock()
	services := slices.Collect(maps.Values(d.services))
	d.mu.Unlock()
	for _, s := range services {
		s.table.Expire()
	}
}

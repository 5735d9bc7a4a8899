package proxy

import (
	"maps"
	"slices"
	"time"
)

// sweepEvery is how often the books forget what is over.
const sweepEvery = 250 * time.Millisecond

// sweep ends with d.ctx.
func (d *Dataplane) sweep() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
			d.sweepOnce()
		}
	}
}

func (d *Dataplane) sweepOnce() {
	d.mu.Lock()
	services := slices.Collect(maps.Values(d.services))
	d.mu.Unlock()
	for _, s := range services {
		s.table.Expire()
		s.loop.Screen.Expire()
	}
}

package proxy

import "time"

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
	for _, s := range d.all() {
		s.table.Expire()
		s.loop.Screen.Expire()
	}
}

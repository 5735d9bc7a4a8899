package proxy

import (
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// sweepEvery is how often the books forget what is over, which is not used
	// before either.
	sweepEvery = time.Second
	// portsEvery is how often the kernel is asked for its local ports: a sysctl
	// may change them at any time.
	portsEvery = 5 * time.Second
)

// sweep ends with d.ctx.
func (d *Dataplane) sweep() {
	t, ports := time.NewTimer(engine.Until(sweepEvery)), time.NewTicker(portsEvery)
	defer t.Stop()
	defer ports.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
			t.Reset(engine.Until(sweepEvery))
			d.sweepOnce()
		case <-ports.C:
			now := engine.LocalPorts()
			d.engine.SetPorts(now)
			d.udp.SetPorts(now)
		}
	}
}

func (d *Dataplane) sweepOnce() {
	for _, s := range d.all() {
		s.table.Expire()
		s.shared.Screen.Expire()
	}
}

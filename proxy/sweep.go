package proxy

import (
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// sweepEvery is the interval at which the books forget expired entries, which
	// are not used in between either.
	sweepEvery = time.Second
	// portsEvery is the interval at which the kernel is asked for its local
	// ports: a sysctl may change them at any time.
	portsEvery = 5 * time.Second
)

// sweep forgets expired entries and reads the local ports, until d.ctx is done.
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

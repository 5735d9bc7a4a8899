package director

import (
	"context"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// syncProbes starts and ends probes until those that the cluster needs run.
func (d *Director) syncProbes() {
	var specs []*spec.Check
	seen := map[spec.ID]bool{}
	for _, sv := range d.cluster.services {
		for _, s := range sv.servers {
			for i := range s.checks {
				if p := s.checks[i].Check; !seen[p.ID] {
					seen[p.ID] = true
					specs = append(specs, p)
				}
			}
		}
	}
	d.prober.Set(specs, d.cluster.checkedBy.awaited)
	d.pauseProbes()
}

// pauseProbes pauses the checks of real servers in maintenance.
func (d *Director) pauseProbes() {
	for id, members := range d.cluster.checkedBy {
		idle := true
		for _, m := range members {
			idle = idle && m.s.maintenance != ""
		}
		d.prober.Pause(id, idle)
	}
}

// handleResults counts the results that have come since, and then updates each service
// with results once.
func (d *Director) handleResults() {
	d.taken = d.prober.Take(d.taken)
	for i := range d.taken {
		r := &d.taken[i]
		members := d.cluster.checkedBy[r.Probe.ID]
		if len(members) == 0 {
			continue // it has ended
		}
		d.cluster.observeAll(members, r.Result)
		d.prober.SetPace(r.Probe, paceOf(members))
	}
	d.cluster.catchUp()
	d.endPhase()
}

// endPhase ends the phase of starting or reloading when every real server has been
// checked.
func (d *Director) endPhase() {
	if phase := d.cluster.reports.alerts.phase; phase != config.AlertRunning && phase != config.AlertStopping && d.cluster.settled() {
		d.cluster.reports.alerts.phase = config.AlertRunning
		d.log.Info("every real server has been checked")
	}
}

// applied brings the result of a call of the dataplane into the loop.
func (d *Director) applied(ctx context.Context, id dataplane.ServiceID, want *dataplane.VirtualService, err error) {
	_ = d.do(ctx, func() {
		d.cluster.applied(id, want, err)
		close(d.applies)
		d.applies = make(chan struct{})
	})
}

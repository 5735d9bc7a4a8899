package director

import (
	"context"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// syncProbes starts and ends probes until those that the cluster needs run.
func (d *Director) syncProbes() {
	specs := map[identity]*spec{}
	for id, members := range d.cluster.checkedBy {
		specs[id] = members[0].s.probe
	}
	d.prober.set(specs, d.cluster.checkedBy.awaited)
	d.pauseProbes()
}

// pauseProbes pauses the checks of real servers in maintenance.
func (d *Director) pauseProbes() {
	for id, members := range d.cluster.checkedBy {
		idle := true
		for _, m := range members {
			idle = idle && m.s.maintenance != ""
		}
		d.prober.pause(id, idle)
	}
}

// checked brings a result into the loop and returns the time from the start
// of that check to the start of the next.
func (d *Director) checked(ctx context.Context, id identity, r checkResult) time.Duration {
	pace := id.interval
	_ = d.send(ctx, d.results, func() {
		d.cluster.checked(id, r)
		pace = d.cluster.checkedBy.pace(id)
	})
	return pace
}

// batchTime is how long results are collected before their consequences follow.
const batchTime = 10 * time.Millisecond

// handleResults handles one result, and those that wait behind it.
func (d *Director) handleResults(handle func()) {
	for until := time.Now().Add(batchTime); handle != nil; handle = d.nextResult(until) {
		handle()
	}
	d.cluster.catchUp()
	d.endPhase()
}

// nextResult returns a result that waits, nil if there is none or it is time to go
// on.
func (d *Director) nextResult(until time.Time) func() {
	if time.Now().After(until) {
		return nil
	}
	select {
	case handle := <-d.results:
		return handle
	default:
		return nil
	}
}

// endPhase ends the phase of starting or reloading when every real server has been
// checked.
func (d *Director) endPhase() {
	if phase := d.cluster.alerts.phase; phase != config.AlertRunning && phase != config.AlertStopping && d.cluster.settled() {
		d.cluster.alerts.phase = config.AlertRunning
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

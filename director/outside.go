package director

import (
	"context"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// syncProbes makes the running probes those that the cluster needs.
func (d *Director) syncProbes() {
	specs := map[identity]*spec{}
	for id, members := range d.cluster.checkedBy {
		specs[id] = members[0].s.probe
	}
	d.prober.set(specs, d.cluster.awaited)
	d.pauseProbes()
}

// pauseProbes spares real servers in maintenance their checks.
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
	_ = d.give(ctx, d.results, func() {
		d.cluster.checked(id, r)
		pace = d.cluster.pace(id)
	})
	return pace
}

// together is for how long results are taken in that come faster than their
// consequences are drawn.
const together = 10 * time.Millisecond

// takeResults takes in one result, and those that wait behind it.
func (d *Director) takeResults(take func()) {
	for until := time.Now().Add(together); take != nil; take = d.another(until) {
		take()
	}
	d.cluster.catchUp()
	d.running()
}

// another returns a result that waits, nil if none does or it is time to go on.
func (d *Director) another(until time.Time) func() {
	if time.Now().After(until) {
		return nil
	}
	select {
	case take := <-d.results:
		return take
	default:
		return nil
	}
}

// running ends the phase of starting or reloading once all is known.
func (d *Director) running() {
	if phase := d.cluster.phase; phase != config.AlertRunning && phase != config.AlertStopping && d.cluster.settled() {
		d.cluster.phase = config.AlertRunning
		d.log.Info("every real server has been checked")
	}
}

// applied brings the fate of an apply into the loop.
func (d *Director) applied(ctx context.Context, id dataplane.ServiceID, want *dataplane.VirtualService, err error) {
	_ = d.do(ctx, func() {
		d.cluster.applied(id, want, err)
		close(d.landed)
		d.landed = make(chan struct{})
	})
}

// The director is its cluster's outside.
var _ outside = (*Director)(nil)

func (d *Director) apply(v dataplane.VirtualService) { d.applier.apply(v) }
func (d *Director) remove(id dataplane.ServiceID)    { d.applier.remove(id) }
func (d *Director) evict(v dataplane.VirtualService) { d.applier.evict(v) }
func (d *Director) monitor(path, line string)        { d.hooks.append(path, line) }

func (d *Director) mail(m Mail) {
	if d.o.Mail != nil {
		d.o.Mail(m)
	}
}

func (d *Director) fallbackCommand(v *config.Virtual, word string) {
	d.hooks.run("fallbackcommand "+v.ID.String(), fallbackCommand(v, word))
}

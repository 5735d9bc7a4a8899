package director

import (
	"context"
	"errors"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

const (
	retireTime = 300 * time.Millisecond // for the part of a stop that clients notice
	lastHooks  = 4 * time.Second        // for all commands and lines that are left at a stop
	grace      = 200 * time.Millisecond // for goroutines whose context is done
)

var errHangs = errors.New("the dataplane does not answer")

// Stop is Retire, Drain and Close.
func (d *Director) Stop(ctx context.Context) error {
	d.Retire()
	d.Drain(ctx)
	return d.Close(ctx)
}

// Retire begins a stop: it ends the checks and does what cleanstop says of
// each service: those with cleanstop=yes are removed from the dataplane, the
// others stay, and nothing changes any more. It returns within half a second
// whatever hangs: the dataplane goes on with the rest until Close. wait is how
// long Drain waits at most. Retire may be called once, after Start has succeeded.
func (d *Director) Retire() (wait time.Duration) {
	d.cancel()
	d.prober.Cancel()
	ctx, cancel := context.WithTimeout(context.Background(), retireTime)
	defer cancel()
	if !ended(ctx, d.retire) {
		d.log.Warn("services are not all removed yet; the stop goes on")
	}
	return d.wait()
}

func (d *Director) retire() {
	_ = d.do(context.Background(), func() {
		staying := d.cluster.stop(time.Now())
		d.staying.Store(&staying)
	})
	_ = d.applier.Flush(context.Background())
	if p, ok := d.o.Dataplane.(dataplane.Pather); ok {
		if err := p.SetPaths(context.Background(), nil); err != nil {
			d.log.Error("paths of checks by the VIP are still there", "err", err)
		}
	}
	if dr, ok := d.o.Dataplane.(dataplane.Drainer); ok {
		_ = dr.End(context.Background()) // it ends with the dataplane at the latest
	}
}

// Drain waits for the connections of services that stay, if they end with this
// process: until ctx is done, and at most for the longest draintimeout.
func (d *Director) Drain(ctx context.Context) {
	dr, ok := d.o.Dataplane.(dataplane.Drainer)
	if staying := d.staying.Load(); !ok || staying == nil || len(*staying) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.wait())
	defer cancel()
	d.log.Info("waiting for connections to end", "limit", d.wait())
	drained, err := make(chan error, 1), errHangs
	if ended(ctx, func() { drained <- dr.Drain(ctx) }) {
		err = <-drained
	}
	if err != nil {
		d.log.Warn("connections were cut", "err", err)
	}
}

// wait returns how long Drain waits for the connections of services that stay.
func (d *Director) wait() (longest time.Duration) {
	if staying := d.staying.Load(); staying != nil {
		for _, sv := range *staying {
			longest = max(longest, sv.conf.DrainTimeout)
		}
	}
	return longest
}

// Close ends the director. The dataplane and the operator's commands get a few
// seconds to finish, or a short time once ctx is done; Close does not wait for
// those that hang.
func (d *Director) Close(ctx context.Context) error {
	ctx, cancel := linger(ctx, grace)
	defer cancel()
	ctx, cancelled := context.WithTimeout(ctx, lastHooks)
	defer cancelled()
	err := d.applier.Flush(ctx)
	d.applier.Cancel()
	if d.state != nil {
		d.state.Close()
		d.state.Wait(ctx)
	}
	close(d.quit)
	d.hooks.Close(ctx)
	for _, part := range []struct {
		what string
		wait func()
	}{
		{"a look at files", d.wg.Wait},
		{"a check", d.prober.Wait},
		{"the dataplane", d.applier.Wait},
		{"the director's loop", func() { <-d.loopDone }},
	} {
		if !ended(d.ctx, part.wait) {
			d.log.Warn("stop goes on without a part that does not end", "part", part.what)
		}
	}
	return err
}

// ended runs f and reports whether it has ended before, or shortly after, ctx is
// done. If not, f goes on in its goroutine.
func ended(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	late, cancel := linger(ctx, grace)
	defer cancel()
	select {
	case <-done:
		return true
	case <-late.Done():
		return false
	}
}

// linger returns a context that is done a while after ctx.
func linger(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return late, func() { stop(); cancel() }
}

// stop removes the services with cleanstop=yes and runs their fallbackcommand
// with stop. It returns the others, which stay. Decisions of the cluster after
// that have no effects: a removed service must not come back.
func (c *cluster) stop(now time.Time) (kept []*service) {
	c.reports.alerts.phase, c.readyChanged = config.AlertStopping, true
	note(c, now, Event{Event: "stopping", Text: "Stopping"})
	for _, sv := range c.services {
		if !sv.conf.CleanStop {
			kept = append(kept, sv)
			continue
		}
		c.reports.stopFallbackCommand(sv)
		c.reports.endQuorum(sv)
		c.reports.alerts.purged(sv, sv.servers, "stop")
		c.removeService(sv)
	}
	c.reports.alerts.limits.Flush()
	c.out, c.reports.out, c.reports.alerts.out = noEffects{}, noEffects{}, noEffects{}
	return kept
}

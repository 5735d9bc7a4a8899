package director

import (
	"context"
	"errors"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

const (
	retireTime = 300 * time.Millisecond // for what clients notice of a stop
	lastHooks  = 4 * time.Second        // for all commands and lines that are left at a stop
	moment     = 200 * time.Millisecond // for what was told to end
)

var errHangs = errors.New("the dataplane does not answer")

// Stop is Retire, Drain and Close, for who has nothing to do in between.
func (d *Director) Stop(ctx context.Context) error {
	d.Retire()
	d.Drain(ctx)
	return d.Close(ctx)
}

// Retire begins a stop: it ends the checks and does what cleanstop says of
// each service. Those with cleanstop=yes are removed from the dataplane, the
// others stay, and nothing changes any more. It returns within half a second
// whatever hangs: what the dataplane has not done by then goes on until Close.
// wait is for how long Drain waits at the most. Retire may be called once,
// after Start has succeeded.
func (d *Director) Retire() (wait time.Duration) {
	d.cancel()
	d.prober.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), retireTime)
	defer cancel()
	if !ended(ctx, d.retire) {
		d.log.Warn("services are not all removed yet; the stop goes on")
	}
	return d.wait()
}

func (d *Director) retire() {
	_ = d.do(context.Background(), func() {
		staying := d.cluster.stop()
		d.staying.Store(&staying)
	})
	_ = d.applier.flush(context.Background())
	if dr, ok := d.o.Dataplane.(dataplane.Drainer); ok {
		_ = dr.End(context.Background()) // it ends with the dataplane at the latest
	}
}

// Drain waits for the connections of services that stay, if they end with this
// process: for the longest draintimeout of them at the most, or until ctx is
// done.
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

// wait is for how long connections of services that stay are waited for.
func (d *Director) wait() (longest time.Duration) {
	if staying := d.staying.Load(); staying != nil {
		for _, sv := range *staying {
			longest = max(longest, sv.conf.DrainTimeout)
		}
	}
	return longest
}

// Close ends the director. The dataplane and the operator's commands have a
// few seconds together for what they were told, or a moment from when ctx is
// done; what hangs then is left behind.
func (d *Director) Close(ctx context.Context) error {
	ctx, cancel := linger(ctx, moment)
	defer cancel()
	ctx, cancelled := context.WithTimeout(ctx, lastHooks)
	defer cancelled()
	err := d.applier.flush(ctx)
	d.applier.cancel()
	close(d.quit)
	d.hooks.close(ctx)
	for _, part := range []struct {
		what string
		wait func()
	}{
		{"a look at files", d.wg.Wait},
		{"a check", d.prober.wg.Wait},
		{"the dataplane", func() { <-d.applier.done }},
		{"the director's loop", func() { <-d.loopDone }},
	} {
		if !ended(d.ctx, part.wait) {
			d.log.Warn("it does not end and is left behind", "what", part.what)
		}
	}
	return err
}

// ended runs f and reports whether it has ended by a moment after ctx is done.
// Else it is left behind.
func ended(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	late, cancel := linger(ctx, moment)
	defer cancel()
	select {
	case <-done:
		return true
	case <-late.Done():
		return false
	}
}

// linger returns a context that is done a moment after ctx.
func linger(ctx context.Context, moment time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(moment, cancel) })
	return late, func() { stop(); cancel() }
}

// stop says what has to happen to each service when the director stops:
// services with cleanstop=yes are removed and their fallbackcommand is told
// to stop; the others stay. It returns those. What the cluster decides after
// that has no consequences: nothing is to come back that is removed here.
func (c *cluster) stop() (kept []*service) {
	c.phase, c.moved = config.AlertStopping, true
	for _, sv := range c.services {
		if !sv.conf.CleanStop {
			kept = append(kept, sv)
			continue
		}
		c.dismissCommand(sv)
		c.mailPurged(sv, sv.servers, "stop")
		c.withdraw(sv)
	}
	c.out = nowhere{}
	return kept
}

// nowhere is the outside of a cluster that has stopped.
type nowhere struct{}

func (nowhere) apply(dataplane.VirtualService)          {}
func (nowhere) remove(dataplane.ServiceID)              {}
func (nowhere) evict(dataplane.VirtualService)          {}
func (nowhere) fallbackCommand(*config.Virtual, string) {}
func (nowhere) mail(Mail)                               {}
func (nowhere) monitor(string, string)                  {}

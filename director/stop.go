package director

import (
	"context"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// Stop ends the checks and then does what cleanstop says of each service:
// those with cleanstop=yes are removed from the dataplane, the others stay,
// and if their connections end with this process, Stop waits for them, for
// their draintimeout at the most. A done ctx cuts all waiting short, but for a moment
// in which the dataplane and the operator's commands do what they were told.
// Stop may be called once, after Start has succeeded.
func (d *Director) Stop(ctx context.Context) error {
	d.cancel()
	d.wg.Wait()
	// A reload that came before this is over now, and none comes after it.
	_ = d.do(context.Background(), func() {})
	d.prober.close()
	var kept []*service
	_ = d.do(context.Background(), func() { kept = d.cluster.stop() })
	late, cancel := linger(ctx, stopGrace)
	defer cancel()
	err := d.applier.flush(late)
	d.drain(ctx, kept)
	d.applier.close()
	close(d.quit)
	<-d.loopDone
	d.hooks.close(late)
	return err
}

// stopGrace is the moment that a done context leaves to a stop.
const stopGrace = time.Second

// linger returns a context that is done a moment after ctx.
func linger(ctx context.Context, moment time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(moment, cancel) })
	return late, func() { stop(); cancel() }
}

// drain waits for the connections of services that were not removed.
func (d *Director) drain(ctx context.Context, kept []*service) {
	dr, ok := d.o.Dataplane.(dataplane.Drainer)
	if !ok || len(kept) == 0 {
		return
	}
	var limit time.Duration
	for _, sv := range kept {
		limit = max(limit, sv.conf.DrainTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d.log.Info("waiting for connections to end", "limit", limit)
	if err := dr.Drain(ctx); err != nil {
		d.log.Warn("connections were cut", "err", err)
	}
}

// stop says what has to happen to each service when the director stops:
// services with cleanstop=yes are removed and their fallbackcommand is told
// to stop; the others stay. It returns those.
func (c *cluster) stop() (kept []*service) {
	c.phase = config.AlertStopping
	for _, sv := range c.services {
		if !sv.conf.CleanStop {
			kept = append(kept, sv)
			continue
		}
		c.dismissCommand(sv)
		c.mailPurged(sv, sv.servers, "stop")
		c.out.remove(sv.conf.ID)
	}
	return kept
}

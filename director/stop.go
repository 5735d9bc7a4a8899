package director

import (
	"context"
	"errors"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// Stop ends the checks and then does what cleanstop says of each service:
// those with cleanstop=yes are removed from the dataplane, the others stay,
// and if their connections end with this process, Stop waits for them, for
// their draintimeout at the most. A done ctx cuts all waiting short. Stop may
// be called once, after Start has succeeded.
func (d *Director) Stop(ctx context.Context) error {
	d.cancel()
	d.wg.Wait()
	d.prober.close()
	var kept []*service
	_ = d.do(ctx, func() { kept = d.cluster.stop() })
	err := d.applier.flush(ctx)
	err = errors.Join(err, d.drain(ctx, kept))
	d.applier.close()
	close(d.quit)
	<-d.loopDone
	d.hooks.close(ctx)
	return err
}

// drain waits for the connections of services that were not removed.
func (d *Director) drain(ctx context.Context, kept []*service) error {
	dr, ok := d.o.Dataplane.(dataplane.Drainer)
	if !ok || len(kept) == 0 {
		return nil
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
	return nil
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
		c.out.remove(sv.conf.ID)
	}
	return kept
}

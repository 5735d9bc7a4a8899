package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchers are the goroutines that report to the service manager.
type watchers struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

// announce starts the notifier, and the watchdog if the service manager has one.
func (d *Daemon) announce(context.Context) error {
	var ctx context.Context
	ctx, d.watchers.cancel = context.WithCancel(context.Background())
	d.watchers.wg.Go(func() { d.notifier.run(ctx) })
	if period, err := daemon.SdWatchdogEnabled(false); err == nil && period > 0 {
		w := &watchdog{well: d.well, tell: func(state string) { tell(d.log, state) }, log: d.log}
		d.watchers.wg.Go(func() { w.run(ctx, period/2) })
	}
	d.onStop("service manager", 200*time.Millisecond, func(context.Context) error {
		tell(d.log, daemon.SdNotifyStopping)
		d.watchers.cancel()
		d.watchers.wg.Wait()
		return nil
	})
	return nil
}

// well returns an error if a worker of the proxy is stuck, or the director does not
// answer before ctx is done.
func (d *Daemon) well(ctx context.Context) error {
	load := d.plane.proxy.Load()
	if err := load.Stuck(); err != nil {
		return err
	}
	if _, err := d.director.Status(ctx); err != nil {
		return fmt.Errorf("the director does not answer: %w", err)
	}
	return nil
}

func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager cannot be told", "err", err)
	}
}

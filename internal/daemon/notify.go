package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchers are the goroutines that keep the service manager informed.
type watchers struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

// announce has the service manager told how things stand, and its watchdog for
// as long as the director answers.
func (d *Daemon) announce(context.Context) error {
	var ctx context.Context
	ctx, d.watchers.cancel = context.WithCancel(context.Background())
	d.watchers.wg.Go(func() { d.herald.run(ctx) })
	if period, err := daemon.SdWatchdogEnabled(false); err == nil && period > 0 {
		d.watchers.wg.Go(func() { d.watchdog(ctx, period/2) })
	}
	d.onStop("service manager", 200*time.Millisecond, func(context.Context) error {
		tell(d.log, daemon.SdNotifyStopping)
		d.watchers.cancel()
		d.watchers.wg.Wait()
		return nil
	})
	return nil
}

func (d *Daemon) watchdog(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.feed(ctx, period)
		}
	}
}

// well says what is stuck, nil if every worker turns and the director answers
// before ctx is done.
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

// feed tells the watchdog that all is well, if it is found to be in time.
func (d *Daemon) feed(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := d.well(ctx); err != nil {
		d.log.Error("the watchdog is not told", "err", err)
		return
	}
	tell(d.log, daemon.SdNotifyWatchdog)
}

func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager cannot be told", "err", err)
	}
}

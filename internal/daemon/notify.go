package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// watchers are the goroutines that keep the service manager informed.
type watchers struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

// announce tells the service manager that the daemon is in service, and keeps
// telling its watchdog for as long as the director answers.
func (d *Daemon) announce(context.Context) error {
	tell(d.log, daemon.SdNotifyReady)
	var ctx context.Context
	ctx, d.watchers.cancel = context.WithCancel(context.Background())
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

// feed tells the watchdog that all is well, if the director says so in time.
func (d *Daemon) feed(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := d.director.Status(ctx); err != nil {
		d.log.Error("the director does not answer, the watchdog is not told", "err", err)
		return
	}
	tell(d.log, daemon.SdNotifyWatchdog)
}

// reloading tells the service manager that a reload begins; the function it
// returns, that it is over.
func reloading(log *slog.Logger) func() {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err == nil {
		tell(log, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, ts.Nano()/1000))
	}
	return func() { tell(log, daemon.SdNotifyReady) }
}

func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager cannot be told", "err", err)
	}
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/shunt-lb/shunt/dataplane"
)

// remindEvery is the time between two log lines with the same reason.
const remindEvery = time.Minute

// A watchdog feeds the watchdog of the service manager while all is well.
type watchdog struct {
	well func(context.Context) error
	tell func(state string)
	log  *slog.Logger

	why    string // the latest reason for not feeding it, "" for none
	logged time.Time
}

// run feeds the watchdog every period until ctx is done.
func (w *watchdog) run(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.feed(ctx, period)
		}
	}
}

// feed feeds the watchdog if well returns nil within limit.
func (w *watchdog) feed(ctx context.Context, limit time.Duration) {
	in, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := w.well(in)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.logFailure(err)
	default:
		if w.why != "" {
			w.why = ""
			w.log.Info("the watchdog is fed again")
		}
		w.tell(daemon.SdNotifyWatchdog)
	}
}

// logFailure logs why the watchdog is not fed: when the reason changes, and every
// remindEvery.
func (w *watchdog) logFailure(err error) {
	why := err.Error()
	if stuck, ok := errors.AsType[*dataplane.StuckError](err); ok {
		why = fmt.Sprint("worker ", stuck.Worker) // without the time, which changes
	}
	if why == w.why && time.Since(w.logged) < remindEvery {
		return
	}
	w.why, w.logged = why, time.Now()
	w.log.Error("the watchdog is not fed", "err", err)
}

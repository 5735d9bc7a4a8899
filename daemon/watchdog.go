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

// remindEvery is after how long it is said again that the watchdog is not told,
// for the same reason.
const remindEvery = time.Minute

// A watchdog tells that of the service manager that all is well, for as long as
// it is.
type watchdog struct {
	well func(context.Context) error
	tell func(state string)
	log  *slog.Logger

	why  string // it was not told last, "" if it was
	said time.Time
}

// run tells it every period until ctx is done.
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

// feed tells the watchdog that all is well, if it is found to be in time.
func (w *watchdog) feed(ctx context.Context, limit time.Duration) {
	in, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := w.well(in)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.complain(err)
	default:
		if w.why != "" {
			w.why = ""
			w.log.Info("the watchdog is told again")
		}
		w.tell(daemon.SdNotifyWatchdog)
	}
}

// complain says why the watchdog is not told: once, when the reason is another,
// and from time to time.
func (w *watchdog) complain(err error) {
	why := err.Error()
	if stuck, ok := errors.AsType[*dataplane.StuckError](err); ok {
		why = fmt.Sprint("worker ", stuck.Worker) // for however long
	}
	if why == w.why && time.Since(w.said) < remindEvery {
		return
	}
	w.why, w.said = why, time.Now()
	w.log.Error("the watchdog is not told", "err", err)
}

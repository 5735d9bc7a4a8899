package director

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// watch finds out from time to time what somebody else has changed about the
// services in force. It has a goroutine of its own, so that no wish waits for
// it.
func (a *applier) watch(ctx context.Context) {
	auditor, ok := a.dp.(dataplane.Auditor)
	if !ok {
		return
	}
	tick := time.NewTicker(driftPeriod)
	defer tick.Stop()
	var told string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		found, err := audit(ctx, auditor)
		told = a.unreadable(err, told)
		if len(found) == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case a.drifts <- found:
		}
	}
}

func audit(ctx context.Context, auditor dataplane.Auditor) ([]dataplane.Drift, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	return auditor.Audit(ctx)
}

// unreadable says once that the dataplane cannot be read, and once that it can
// be again. It returns what was told.
func (a *applier) unreadable(err error, told string) string {
	switch {
	case err == nil && told != "":
		a.log.Info("dataplane can be read again")
	case err != nil && told != err.Error():
		a.log.Warn("dataplane cannot be read", "err", err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// repair has put right, at the next retry, what somebody else has changed.
// Services that are being retried already are left to that: what they are to
// be is newer than what they were.
func (a *applier) repair(found []dataplane.Drift) {
	for _, f := range found {
		want, ours := a.served[f.Service]
		if !ours || a.retry[f.Service] != nil {
			continue
		}
		left := a.absent.take(want, f.Missing)
		if len(left) > 0 {
			a.log.Info("real servers without new connections were removed by somebody else and stay away, as readdquiescent=no says",
				"service", f.Service.String(), "removed", said(left))
		}
		if len(f.Changes) > len(left) {
			a.log.Warn("virtual service was changed by somebody else and is put right", "service", f.Service.String(), "changed", said(f.Changes))
			a.repairs.Add(1)
		}
		a.retry[f.Service] = &retry{wish: wish{want: &want}, at: time.Now(), delay: retryFirst / 2}
	}
}

// mostChanges is how many changes of one service a line of the log has.
const mostChanges = 8

// said is changes in one line.
func said(changes []string) string {
	more := len(changes) - mostChanges
	if more <= 0 {
		return strings.Join(changes, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(changes[:mostChanges], "; "), more)
}

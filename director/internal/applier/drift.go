package applier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// audit finds out from time to time what somebody else has changed about the
// services in force. It has a goroutine of its own, so that no request waits for
// it.
func (a *Applier) audit(ctx context.Context) {
	auditor, ok := a.dp.(dataplane.Auditor)
	if !ok {
		return
	}
	tick := time.NewTicker(AuditPeriod)
	defer tick.Stop()
	var told string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		found, err := callAudit(ctx, auditor)
		told = a.logUnreadable(err, told)
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

func callAudit(ctx context.Context, auditor dataplane.Auditor) ([]dataplane.Drift, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return auditor.Audit(ctx)
}

// logUnreadable logs once that the dataplane cannot be read, and once that it can
// be read again. It returns the error that was logged.
func (a *Applier) logUnreadable(err error, told string) string {
	switch {
	case err == nil && told != "":
		a.log.Info("dataplane can be read again")
	case err != nil && told != err.Error():
		a.log.Error("dataplane cannot be read", "err", err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// repair schedules a retry for each service that somebody else has changed.
// Services that have a retry already are left to that: its desired state is
// newer than the one in force.
func (a *Applier) repair(ctx context.Context, found []dataplane.Drift) {
	for _, f := range found {
		want, ours := a.served[f.Service]
		if !ours || a.retries[f.Service] != nil {
			continue
		}
		left := a.quiescent.record(want, f.Missing)
		if len(left) > 0 {
			a.log.Info("real servers without new connections were removed by somebody else and stay away, as readdquiescent=no says",
				"service", f.Service.String(), "removed", Join(left))
		}
		if len(f.Changes) > len(left) {
			changes := Join(f.Changes)
			a.log.Warn("virtual service was changed by somebody else and is put right", "service", f.Service.String(), "changed", changes)
			a.repairs.Add(1)
			if a.Repaired != nil {
				a.Repaired(ctx, f.Service, changes)
			}
		}
		a.retries[f.Service] = &retry{desired: desired{want: &want}, at: time.Now(), delay: FirstRetry / 2}
	}
}

// maxChanges is how many changes of one service a line has.
const maxChanges = 8

// Join returns changes of one service in one line, the first of many.
func Join(changes []string) string {
	more := len(changes) - maxChanges
	if more <= 0 {
		return strings.Join(changes, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(changes[:maxChanges], "; "), more)
}

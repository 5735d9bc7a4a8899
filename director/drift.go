package director

import (
	"context"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// repair reads back what is served and has put right, at the next retry, what
// somebody else has changed. Services that are being retried already are left
// to that: what they are to be is newer than what they were.
func (a *applier) repair(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	found, err := a.dp.Snapshot(ctx)
	if err != nil {
		a.log.Warn("dataplane cannot be read", "err", err)
		return
	}
	have := map[dataplane.ServiceID]dataplane.VirtualService{}
	for _, f := range found {
		have[f.Service.ID] = f.Service
	}
	for id, want := range a.served {
		if h, ok := have[id]; a.retry[id] != nil || ok && sameService(h, want) {
			continue
		}
		a.log.Warn("virtual service was changed by somebody else and is put right", "service", id.String())
		a.repairs.Add(1)
		a.retry[id] = &retry{wish: wish{want: &want}, at: time.Now(), delay: retryFirst / 2}
	}
}

// sameService compares what every dataplane can read back: how is scheduled,
// persistence, and the real servers in whatever order.
func sameService(have, want dataplane.VirtualService) bool {
	have.ConnectTimeout, have.IdleTimeout = want.ConnectTimeout, want.IdleTimeout
	have.ExpireQuiescent, have.Cut, have.Carry = want.ExpireQuiescent, want.Cut, want.Carry
	if len(have.RealServers) != len(want.RealServers) {
		return false
	}
	options := want
	options.RealServers = have.RealServers
	if !have.Equal(options) {
		return false
	}
	servers := map[string]dataplane.RealServer{}
	for _, r := range have.RealServers {
		r.Sorry = false
		servers[r.Addr.String()] = r
	}
	for _, r := range want.RealServers {
		r.Sorry = false
		if servers[r.Addr.String()] != r {
			return false
		}
	}
	return true
}

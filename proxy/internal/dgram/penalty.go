package dgram

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// penaltyTime is how long clients avoid a real server on which nobody listens, as
// long as there are others.
const penaltyTime = 10 * time.Second

// penalties are the real servers that have lately refused a flow. All clients avoid
// one that had not answered the flow before. Only its client avoids one that had,
// because the exchange may just be over. A look-up takes no lock if there are none.
type penalties struct {
	any atomic.Bool

	mu       sync.Mutex
	until    map[*table.Server]time.Time
	byClient clientPenalties
}

// add notes that a server has refused a flow of a client. If that client was
// diverted to it from another one, the refusal says nothing to other clients.
func (r *penalties) add(sv *table.Server, from netip.AddrPort, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if answered || len(r.byClient.of(from, now)) > 0 {
		r.byClient.add(from, sv, now)
	} else {
		if r.until == nil {
			r.until = map[*table.Server]time.Time{}
		}
		r.until[sv] = now.Add(penaltyTime)
	}
	r.any.Store(true)
}

// of returns the servers that a client has to avoid, and those of them that it alone
// has to.
func (r *penalties) of(from netip.AddrPort) (all, own []*table.Server) {
	if !r.any.Load() {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for sv, until := range r.until {
		if now.Before(until) {
			all = append(all, sv)
		} else {
			delete(r.until, sv)
		}
	}
	own = r.byClient.of(from, now)
	r.any.Store(r.byClient.expire(now) || len(r.until) > 0)
	return append(all, own...), own
}

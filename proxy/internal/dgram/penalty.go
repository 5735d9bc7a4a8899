package dgram

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// penaltyTime is for how long a real server is passed over that has said
// nobody listens, as long as there are others.
const penaltyTime = 10 * time.Second

// penalties are the real servers that have lately refused a flow: for everybody
// those that have not answered it before; for its client alone one that has,
// and may just be through with it. Whoever looks when there are none takes no
// lock.
type penalties struct {
	any atomic.Bool

	mu       sync.Mutex
	until    map[*table.Server]time.Time
	byClient clientPenalties
}

// add notes that a server has refused a flow of a client. Who is served by
// another in place of one that is through with it says nothing about that other
// to the rest.
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

// of returns the servers that are to be passed over for a client, and which of
// them for that client alone.
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

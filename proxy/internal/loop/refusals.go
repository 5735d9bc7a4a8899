package loop

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// refusalTime is for how long a real server is passed over that has said
// nobody listens, as long as there are others.
const refusalTime = 10 * time.Second

// refusals are the real servers that have lately refused a flow. Whoever looks
// when there are none takes no lock.
type refusals struct {
	count atomic.Int32

	mu    sync.Mutex
	until map[*table.Server]time.Time
}

func (r *refusals) add(sv *table.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[*table.Server]time.Time{}
	}
	r.until[sv] = time.Now().Add(refusalTime)
	r.count.Store(int32(len(r.until)))
}

func (r *refusals) all() []*table.Server {
	if r.count.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*table.Server
	for sv, until := range r.until {
		if time.Now().Before(until) {
			all = append(all, sv)
		} else {
			delete(r.until, sv)
		}
	}
	r.count.Store(int32(len(r.until)))
	return all
}

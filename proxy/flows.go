package proxy

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

const (
	// evictIdle is for how long a flow must have been silent to make room
	// for another: a flood of clients that do not exist can then take the
	// place of forgotten flows, but not of those at work.
	evictIdle = time.Second
	// evictShare of all flows is evicted at once, so that a search through
	// all of them is made once in many new flows.
	evictShare = 16
	// drainIdle is the idle timeout while draining: enough for a request to
	// be answered.
	drainIdle = 10 * time.Second
	// refusalTime is for how long a real server is passed over that has said
	// nobody listens, as long as there are others.
	refusalTime = 10 * time.Second
)

// flows are those of all services.
type flows struct {
	*population[*flow]
	clock    *clock
	draining atomic.Bool
	// searched is when a search last found nothing to evict.
	searched atomic.Int64
}

func newFlows(limit int, c *clock) *flows {
	fs := &flows{population: newPopulation[*flow](limit), clock: c}
	fs.searched.Store(-1)
	return fs
}

// room makes room for a flow, if need be in place of others.
func (fs *flows) room() bool { return !fs.full() || fs.evict() }

// evict ends the flows that have been silent longest and reports whether
// there were any.
func (fs *flows) evict() bool {
	now := fs.clock.now()
	if fs.searched.Load() == now {
		return false
	}
	idle := slices.DeleteFunc(fs.all(), func(fl *flow) bool {
		return time.Duration(now-fl.last.Load()) < evictIdle
	})
	if len(idle) == 0 {
		fs.searched.Store(now)
		return false
	}
	slices.SortFunc(idle, func(a, b *flow) int { return cmp.Compare(a.last.Load(), b.last.Load()) })
	for _, fl := range idle[:min(len(idle), 1+fs.limit/evictShare)] {
		fl.front.drop(fl)
	}
	return true
}

// sweep ends the flows on which nothing has moved for too long.
func (fs *flows) sweep(now time.Duration) {
	for _, fl := range fs.all() {
		limit := fl.front.service.idleTimeout()
		if fs.draining.Load() {
			limit = min(limit, drainIdle)
		}
		if now-time.Duration(fl.last.Load()) > limit {
			fl.front.drop(fl)
		}
	}
}

// refusals are the real servers that have lately refused a flow.
type refusals struct {
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
}

func (r *refusals) all() []*table.Server {
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
	return all
}

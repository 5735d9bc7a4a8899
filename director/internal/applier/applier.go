// Package applier brings the wanted virtual services into a dataplane, in a
// goroutine of its own: it tries again what fails, and puts right what somebody
// else has changed.
package applier

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// The times of an Applier.
const (
	CallTimeout = 10 * time.Second // for one call of the dataplane
	FirstRetry  = time.Second      // the pause after a failed call, doubled with each failure
	LastRetry   = 5 * time.Second  // the longest pause: a freed port or address is used soon
	AuditPeriod = 10 * time.Second // between two audits of the services in force
)

// ErrStopped is the error of Flush when the Applier has ended, and of the whole
// director then.
var ErrStopped = errors.New("the director is not running")

// An Applier applies services one at a time, so that a slow dataplane blocks only
// the Applier. Of several requests for one service only the latest counts.
type Applier struct {
	dp     dataplane.Dataplane
	log    *slog.Logger
	report Report
	// Repaired is told of each service that somebody else has changed and that is put
	// right, from the Applier's goroutine. It is set before Start; nil is nobody.
	Repaired func(ctx context.Context, id dataplane.ServiceID, changes string)
	// repairs counts services put right after somebody else changed them.
	repairs  atomic.Uint64
	barriers atomic.Uint32

	mu      sync.Mutex
	queue   []dataplane.ServiceID
	pending map[dataplane.ServiceID]desired
	wake    chan struct{}

	// Owned by the loop: services in force, calls to repeat.
	served    map[dataplane.ServiceID]dataplane.VirtualService
	retries   map[dataplane.ServiceID]*retry
	quiescent quiescent

	drifts chan []dataplane.Drift

	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutines have ended
}

// A desired is the desired state of a service: want, or removed if want is nil.
// In that case found is the service that somebody else has left, nil for none.
type desired struct {
	want  *dataplane.VirtualService
	found *dataplane.VirtualService
	run   func() // run instead, for barriers
}

type retry struct {
	desired desired
	at      time.Time
	delay   time.Duration
}

// A Report is told the result of each call of the dataplane, with the service
// that was applied, nil for a removal. It is called from the Applier's goroutine.
type Report func(ctx context.Context, id dataplane.ServiceID, want *dataplane.VirtualService, err error)

// New returns an Applier that does nothing before Start.
func New(dp dataplane.Dataplane, report Report, log *slog.Logger) *Applier {
	return &Applier{
		dp: dp, report: report, log: log, wake: make(chan struct{}, 1), done: make(chan struct{}),
		drifts:    make(chan []dataplane.Drift),
		pending:   map[dataplane.ServiceID]desired{},
		served:    map[dataplane.ServiceID]dataplane.VirtualService{},
		retries:   map[dataplane.ServiceID]*retry{},
		quiescent: quiescent{removed: map[dataplane.ServiceID]map[netip.AddrPort]bool{}},
	}
}

// Start starts the goroutines, which run until Cancel is called.
func (a *Applier) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	var parts sync.WaitGroup
	parts.Go(func() { a.loop(ctx) })
	parts.Go(func() { a.audit(ctx) })
	go func() {
		parts.Wait()
		close(a.done)
	}()
}

// Cancel ends the Applier; requests that are queued are dropped.
func (a *Applier) Cancel() { a.cancel() }

// Wait waits until the Applier has ended.
func (a *Applier) Wait() { <-a.done }

// Repairs returns how many services were put right after somebody else changed
// them.
func (a *Applier) Repairs() uint64 { return a.repairs.Load() }

// Apply requests that a service is applied. It does not wait.
func (a *Applier) Apply(v dataplane.VirtualService) { a.put(v.ID, desired{want: &v}) }

// Remove requests that a service is removed. It does not wait.
func (a *Applier) Remove(id dataplane.ServiceID) { a.put(id, desired{}) }

// RemoveFound requests that a service is removed that somebody else has left in
// the dataplane. It does not wait.
func (a *Applier) RemoveFound(v dataplane.VirtualService) { a.put(v.ID, desired{found: &v}) }

// Flush waits until everything requested so far has been tried, or ctx is done.
func (a *Applier) Flush(ctx context.Context) error {
	reached := make(chan struct{})
	a.barrier(func() { close(reached) })
	select {
	case <-reached:
		return nil
	case <-a.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// barrier runs f in the loop, between the requests before and after it.
func (a *Applier) barrier(f func()) {
	// No service has protocol 0: these keys are free for barriers.
	a.put(dataplane.ServiceID{Mark: a.barriers.Add(1)}, desired{run: f})
}

// put makes w the desired state of a service.
func (a *Applier) put(id dataplane.ServiceID, w desired) {
	a.mu.Lock()
	if _, queued := a.pending[id]; !queued {
		a.queue = append(a.queue, id)
	}
	a.pending[id] = w
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// next takes a request from the queue.
func (a *Applier) next() (dataplane.ServiceID, desired, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return dataplane.ServiceID{}, desired{}, false
	}
	id := a.queue[0]
	a.queue = a.queue[1:]
	w := a.pending[id]
	delete(a.pending, id)
	return id, w, true
}

func (a *Applier) loop(ctx context.Context) {
	for ctx.Err() == nil {
		if id, w, ok := a.next(); ok {
			delete(a.retries, id)
			a.apply(ctx, id, w, FirstRetry)
			continue
		}
		a.sleep(ctx)
	}
}

// sleep waits for something to do and does what is due by time: one thing, so
// that a new desired waits for no more than one call of the dataplane.
func (a *Applier) sleep(ctx context.Context) {
	id, r := a.nextRetry()
	timer := time.NewTimer(time.Until(r.at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-a.wake:
	case found := <-a.drifts:
		a.repair(ctx, found)
	case <-timer.C:
		if a.retries[id] == r { // else nothing was due
			delete(a.retries, id)
			a.apply(ctx, id, r.desired, min(2*r.delay, LastRetry))
		}
	}
}

// nextRetry returns the retry that is due first, a dummy if there is none.
func (a *Applier) nextRetry() (dataplane.ServiceID, *retry) {
	var next dataplane.ServiceID
	first := &retry{at: time.Now().Add(time.Hour)}
	for id, r := range a.retries {
		if r.at.Before(first.at) {
			next, first = id, r
		}
	}
	return next, first
}

// apply applies one desired state and reports the result. If that fails it
// schedules a retry after delay.
func (a *Applier) apply(ctx context.Context, id dataplane.ServiceID, w desired, delay time.Duration) {
	if w.run != nil {
		w.run()
		return
	}
	err := a.call(ctx, id, w)
	if err != nil && ctx.Err() == nil {
		a.retries[id] = &retry{desired: w, at: time.Now().Add(delay), delay: delay}
	}
	a.report(ctx, id, w.want, err)
}

// call makes one call of the dataplane.
func (a *Applier) call(ctx context.Context, id dataplane.ServiceID, w desired) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if w.want == nil {
		delete(a.served, id)
		delete(a.quiescent.removed, id)
		if w.found != nil {
			// A dataplane removes only what was applied. If it cannot apply the
			// service as found, Remove says so.
			_ = a.dp.Apply(ctx, *w.found)
		}
		return a.dp.Remove(ctx, id)
	}
	err := a.dp.Apply(ctx, a.quiescent.filter(*w.want))
	if err == nil {
		a.served[id] = *w.want
	}
	return err
}

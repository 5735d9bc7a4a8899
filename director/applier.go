package director

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

const (
	applyTimeout = 10 * time.Second // for one call of the dataplane
	retryFirst   = time.Second      // after a failed apply, then twice as long
	retryLast    = 5 * time.Second  // a freed port or address is taken soon
	driftPeriod  = 10 * time.Second // between two audits of what is served
)

// An applier brings wanted virtual services into the dataplane, one at a
// time, in its own goroutine, so that a slow dataplane never blocks the loop.
// Of several wishes for one service only the latest counts. What fails is
// tried again, and what somebody else has changed is put right.
type applier struct {
	dp     dataplane.Dataplane
	report func(ctx context.Context, id dataplane.ServiceID, want *dataplane.VirtualService, err error)
	log    *slog.Logger
	// repairs counts services put right after somebody else changed them.
	repairs  atomic.Uint64
	barriers atomic.Uint32

	mu      sync.Mutex
	queue   []dataplane.ServiceID
	pending map[dataplane.ServiceID]wish
	wake    chan struct{}

	// Owned by the goroutine: what is in force, what has to be tried again.
	served map[dataplane.ServiceID]dataplane.VirtualService
	retry  map[dataplane.ServiceID]*retry
	absent absent

	drifts chan []dataplane.Drift

	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// A wish is what a service should be: want, or gone when it is nil. Then found is
// what somebody else has left there, nil for nothing.
type wish struct {
	want  *dataplane.VirtualService
	found *dataplane.VirtualService
	carry func() // run instead, for barriers
}

type retry struct {
	wish  wish
	at    time.Time
	delay time.Duration
}

func newApplier(dp dataplane.Dataplane, log *slog.Logger) *applier {
	return &applier{
		dp: dp, log: log, wake: make(chan struct{}, 1), done: make(chan struct{}),
		drifts:  make(chan []dataplane.Drift),
		pending: map[dataplane.ServiceID]wish{},
		served:  map[dataplane.ServiceID]dataplane.VirtualService{},
		retry:   map[dataplane.ServiceID]*retry{},
		absent:  absent{gone: map[dataplane.ServiceID]map[netip.AddrPort]bool{}},
	}
}

// start begins, until cancel is called. What is still queued then is dropped.
func (a *applier) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	var parts sync.WaitGroup
	parts.Go(func() { a.loop(ctx) })
	parts.Go(func() { a.watch(ctx) })
	go func() {
		parts.Wait()
		close(a.done)
	}()
}

// apply asks for a service; remove asks for it to go, and evict for one that
// somebody else has left there. None of them waits.
func (a *applier) apply(v dataplane.VirtualService) { a.put(v.ID, wish{want: &v}) }
func (a *applier) remove(id dataplane.ServiceID)    { a.put(id, wish{}) }
func (a *applier) evict(v dataplane.VirtualService) { a.put(v.ID, wish{found: &v}) }

// flush waits until everything asked for so far has been tried, or ctx is
// done.
func (a *applier) flush(ctx context.Context) error {
	reached := make(chan struct{})
	a.carry(func() { close(reached) })
	select {
	case <-reached:
		return nil
	case <-a.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// carry has f run between what was asked for before and after.
func (a *applier) carry(f func()) {
	// No service has protocol 0: these keys are free for barriers.
	a.put(dataplane.ServiceID{Mark: a.barriers.Add(1)}, wish{carry: f})
}

func (a *applier) put(id dataplane.ServiceID, w wish) {
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

func (a *applier) take() (dataplane.ServiceID, wish, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return dataplane.ServiceID{}, wish{}, false
	}
	id := a.queue[0]
	a.queue = a.queue[1:]
	w := a.pending[id]
	delete(a.pending, id)
	return id, w, true
}

func (a *applier) loop(ctx context.Context) {
	for ctx.Err() == nil {
		if id, w, ok := a.take(); ok {
			delete(a.retry, id)
			a.fulfil(ctx, id, w, retryFirst)
			continue
		}
		a.sleep(ctx)
	}
}

// sleep waits for something to do and does what is due by time: one thing, so
// that a new wish waits for no more than one call of the dataplane.
func (a *applier) sleep(ctx context.Context) {
	id, r := a.nextRetry()
	timer := time.NewTimer(time.Until(r.at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-a.wake:
	case found := <-a.drifts:
		a.repair(found)
	case <-timer.C:
		if a.retry[id] == r { // else nothing was due
			delete(a.retry, id)
			a.fulfil(ctx, id, r.wish, min(2*r.delay, retryLast))
		}
	}
}

// nextRetry is what has to be tried again first.
func (a *applier) nextRetry() (dataplane.ServiceID, *retry) {
	var next dataplane.ServiceID
	first := &retry{at: time.Now().Add(time.Hour)}
	for id, r := range a.retry {
		if r.at.Before(first.at) {
			next, first = id, r
		}
	}
	return next, first
}

// fulfil makes one wish come true, or notes to try again after delay.
func (a *applier) fulfil(ctx context.Context, id dataplane.ServiceID, w wish, delay time.Duration) {
	if w.carry != nil {
		w.carry()
		return
	}
	err := a.do(ctx, id, w)
	if err != nil && ctx.Err() == nil {
		a.retry[id] = &retry{wish: w, at: time.Now().Add(delay), delay: delay}
	}
	a.report(ctx, id, w.want, err)
}

func (a *applier) do(ctx context.Context, id dataplane.ServiceID, w wish) error {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	if w.want == nil {
		delete(a.served, id)
		delete(a.absent.gone, id)
		if w.found != nil {
			// A dataplane removes what it was asked for. If it cannot have it as
			// it stands it says so when it is removed.
			_ = a.dp.Apply(ctx, *w.found)
		}
		return a.dp.Remove(ctx, id)
	}
	err := a.dp.Apply(ctx, a.absent.without(*w.want))
	if err == nil {
		a.served[id] = *w.want
	}
	return err
}

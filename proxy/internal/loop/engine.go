package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// ErrClosed is what Listen returns after Close.
var ErrClosed = errors.New("engine is closed")

// Options are what an Engine is made with.
type Options struct {
	Bounds
	Workers int // 0: one for each core, as GOMAXPROCS is at first
	Pipes   int // most at a time, for streams; others are copied
	Log     *slog.Logger
}

// An Engine carries the TCP connections and UDP flows of any number of services. All methods
// may be called from several goroutines at once.
type Engine struct {
	options   Options
	start     time.Time
	places    places // of connections
	rooms     places // of flows
	stashed   places // stashes
	bindings  bindings
	guests    guests
	herald    *herald
	pauses    atomic.Uint64
	evictions atomic.Uint64
	// ephemeral are the ports that the kernel chooses from.
	ephemeral atomic.Pointer[Ports]
	allowance allowance
	loops     sync.WaitGroup
	watching  sync.WaitGroup
	closing   chan struct{}
	crew      atomic.Pointer[[]*worker] // those that turn

	mu      sync.Mutex
	workers []*worker
	closed  bool
}

// New returns an engine that does nothing yet: its workers begin with the
// first Listen or Receive. Close has to be called.
func New(o Options) *Engine {
	if o.Workers <= 0 {
		o.Workers = cores
	}
	e := &Engine{
		options: o, start: time.Now(), herald: newHerald(o.Log),
		closing: make(chan struct{}),
	}
	e.crew.Store(new([]*worker))
	e.places.vacated, e.rooms.vacated = make(chan struct{}, 1), make(chan struct{}, 1)
	e.Bound(o.Bounds)
	e.SetPorts(LocalPorts())
	e.guests.vacate = e.vacate
	return e
}

func (e *Engine) sinceStart() time.Duration { return time.Since(e.start) }

var cores = runtime.GOMAXPROCS(0)

// makeRoom has Go run one thread more than there are workers: they keep theirs
// for some time when they have nothing to do, and all other goroutines would
// wait for it.
func makeRoom(workers int) {
	if runtime.GOMAXPROCS(0) <= workers {
		runtime.GOMAXPROCS(workers + 1)
	}
}

// team returns the workers, which it starts if need be.
func (e *Engine) team() ([]*worker, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	makeRoom(e.options.Workers)
	for len(e.workers) < e.options.Workers {
		w, err := newWorker(e)
		if err != nil {
			return nil, err
		}
		e.workers = append(e.workers, w)
		e.loops.Go(w.run)
		if len(e.workers) == e.options.Workers {
			crew := e.workers
			e.crew.Store(&crew)
			e.watching.Go(e.watch)
		}
	}
	return e.workers, nil
}

// Wait returns when there has been no connection and then no flow, or with
// ctx's error.
func (e *Engine) Wait(ctx context.Context) error {
	if err := e.places.wait(ctx); err != nil {
		return err
	}
	return e.rooms.wait(ctx)
}

// Pauses returns how often a worker has taken no new connections or flows for
// a moment because there were no descriptors or no memory.
func (e *Engine) Pauses() uint64 { return e.pauses.Load() }

// Evictions returns how many flows have given way to others before their time.
func (e *Engine) Evictions() uint64 { return e.evictions.Load() }

// endWithin is for how long a worker may take to end all its connections.
const endWithin = 5 * time.Second

// Close resets every connection, and returns nil when every goroutine has ended,
// for which sorry servers may have to do their part. An error is that a worker
// does not end; what it has stays as it is.
func (e *Engine) Close() error {
	e.mu.Lock()
	workers, closed := e.workers, e.closed
	e.closed = true
	e.mu.Unlock()
	if closed {
		return nil
	}
	close(e.closing)
	e.watching.Wait()
	for _, w := range workers {
		w.mailbox.post(func() { w.stopped = true })
	}
	limit := endWithin
	if _, age := e.Turns(); age >= dataplane.StuckAfter {
		limit = moment // for the others
	}
	if !Within(limit, e.loops.Wait) {
		go e.end() // if it ever does
		return fmt.Errorf("%w: it has not ended for %v", errStuck, limit)
	}
	e.end()
	return nil
}

// end ends what workers need.
func (e *Engine) end() {
	e.loops.Wait()
	e.guests.close()
	e.herald.close()
}

// Within calls f and reports whether it has returned in time. It goes on if not.
func Within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

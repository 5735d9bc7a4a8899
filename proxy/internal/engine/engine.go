package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// ErrClosed is the error of calls after Close.
var ErrClosed = errors.New("engine is closed")

// Options are the settings of an Engine.
type Options struct {
	Workers int // 0: one for each core, as GOMAXPROCS is at first
	Log     *slog.Logger
	// Clock returns the time since some moment before New; nil means the
	// clock of the host.
	Clock func() time.Duration
}

// An Engine is a number of workers. All methods may be called from several
// goroutines at once.
type Engine struct {
	options  Options
	start    time.Time
	halves   []half
	bindings bindings
	log      *Log
	// ephemeral has the local ports that the kernel chooses from.
	ephemeral atomic.Pointer[Ports]
	loops     sync.WaitGroup
	watching  sync.WaitGroup
	closing   chan struct{}
	running   atomic.Pointer[[]*Worker] // those with a goroutine

	mu      sync.Mutex
	workers []*Worker
	closed  bool
}

// A half is a kind of handler that every worker has.
type half struct {
	handler func(*Worker, Events) Handler
	ended   func()
}

// New returns an engine whose workers start when they are first needed. The caller
// closes it.
func New(o Options) *Engine {
	if o.Workers <= 0 {
		o.Workers = cores
	}
	e := &Engine{options: o, start: time.Now(), log: newLog(o.Log), closing: make(chan struct{})}
	e.running.Store(new([]*Worker))
	e.SetPorts(LocalPorts())
	return e
}

// Handle makes every worker make a handler of its own, before its first iteration.
// It has to be called before all other methods. ended is called when all workers
// have ended, and may block.
func (e *Engine) Handle(handler func(*Worker, Events) Handler, ended func()) {
	e.halves = append(e.halves, half{handler, ended})
}

// Size returns the number of workers, started or not.
func (e *Engine) Size() int { return e.options.Workers }

// Workers returns the workers that have been started.
func (e *Engine) Workers() []*Worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.workers
}

// SetPorts sets the local ports that the kernel chooses from.
func (e *Engine) SetPorts(p Ports) { e.ephemeral.Store(&p) }

// Log returns the log that workers write.
func (e *Engine) Log() *Log { return e.log }

// SinceStart returns the time since New.
func (e *Engine) SinceStart() time.Duration { return time.Since(e.start) }

var cores = runtime.GOMAXPROCS(0)

// makeRoom raises GOMAXPROCS to one more than there are workers. A worker keeps its
// processor for some time when it has nothing to do, and all other goroutines would
// wait for it.
func makeRoom(workers int) {
	if runtime.GOMAXPROCS(0) <= workers {
		runtime.GOMAXPROCS(workers + 1)
	}
}

// Start starts the workers if need be, and returns them.
func (e *Engine) Start() ([]*Worker, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	makeRoom(e.options.Workers)
	for len(e.workers) < e.options.Workers {
		w, err := NewWorker(e)
		if err != nil {
			return nil, err
		}
		e.workers = append(e.workers, w)
		e.loops.Go(w.run)
		if len(e.workers) == e.options.Workers {
			crew := e.workers
			e.running.Store(&crew)
			e.watching.Go(e.watch)
		}
	}
	return e.workers, nil
}

// endWithin is the time limit of a worker to end all its connections.
const endWithin = 5 * time.Second

// Close shuts every handler, and returns nil when every goroutine has ended, those
// of sorry servers included. It returns an error if a worker does not end, whose
// connections stay as they are.
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
		w.Stop()
	}
	limit := endWithin
	if _, age := e.LoopAge(); age >= dataplane.StuckAfter {
		limit = moment // for the others
	}
	if !Within(limit, e.loops.Wait) {
		go e.end() // if it ever does
		return fmt.Errorf("%w: it has not ended for %v", errStuck, limit)
	}
	e.end()
	return nil
}

// end calls the ended functions of the handlers and closes the log.
func (e *Engine) end() {
	e.loops.Wait()
	for _, h := range e.halves {
		h.ended()
	}
	e.log.close()
}

// Within calls f and reports whether it has returned in time. If not, f goes on.
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

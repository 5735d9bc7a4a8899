package loop

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/dataplane"
)

// TCPOptions are what a TCP is made with.
type TCPOptions struct {
	TCPBounds
	Pipes  int // most at a time, for streams; others are copied
	Report *Reporter
}

// TCPBounds are what a TCP carries at a time, over all services.
type TCPBounds struct {
	Connections int
	Buffers     int64 // bytes held for sides that do not take them; 0 or below is no bound
}

// A TCP forwards the TCP connections of any number of services. All methods
// may be called from several goroutines at once.
type TCP struct {
	*Reporter
	engine  *Engine
	pipes   int        // most of each worker
	places  *places    // of connections
	stashed stashBound // of stashes
	guests  guests
	pauses  atomic.Uint64

	accept, crowd rate.Sometimes
}

// NewTCP has the workers of an engine that has not begun yet forward
// connections.
func NewTCP(e *Engine, o TCPOptions) *TCP {
	f := &TCP{
		Reporter: o.Report, engine: e, places: newPlaces(), pipes: min(o.Pipes/e.Size(), maxPipes),
		accept: minutely(), crowd: minutely(),
	}
	f.Bound(o.TCPBounds)
	f.guests.vacate = f.vacate
	e.Handle(func(w *worker, events Events) Handler { return newTCP(f, w, events) }, f.guests.close)
	return f
}

// Bound puts bounds in force. What is there already stays.
func (f *TCP) Bound(b TCPBounds) {
	f.places.bound(int64(b.Connections))
	stashes := b.Buffers / bufferSize
	if b.Buffers <= 0 {
		stashes = math.MaxInt64 / bufferSize
	}
	f.stashed.limit.Store(stashes)
}

// Load tells how many connections there are, and how much is held for sides
// that do not take it.
func (f *TCP) Load() (connections, buffers dataplane.Room) {
	return f.places.load(), f.stashed.load()
}

// Wait returns when there has been no connection, or with ctx's error.
func (f *TCP) Wait(ctx context.Context) error { return f.places.wait(ctx) }

// Pauses returns how often a worker has taken no new connections for a moment
// because there were no descriptors or no memory.
func (f *TCP) Pauses() uint64 { return f.pauses.Load() }

// vacate gives back the place of a connection, and what its source has of the
// service. Every connection comes here when it is over, and once.
func (f *TCP) vacate(o owner) {
	o.source.Leave()
	f.places.leave(&o.service.quota)
}

func (f *TCP) cannotAccept(s *TCPService, err unix.Errno) {
	f.accept.Do(func() {
		f.log.say(slog.LevelError, "cannot accept connections", "service", s.Name, "err", err)
	})
}

func (f *TCP) crowded(s *TCPService) {
	f.crowd.Do(func() {
		l := f.places.load()
		f.log.say(slog.LevelWarn, "clients wait: limit of connections reached", "service", s.Name, "limit", l.Limit, "of its own", l.Own)
	})
}

package stream

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// Options are the settings of a Forwarder.
type Options struct {
	Bounds
	Pipes  int // the most at a time, for splicing; the bytes of others are copied
	Report *virtual.Reporter
}

// Bounds are the limits of a Forwarder, over all services.
type Bounds struct {
	Connections int
	Buffers     int64 // bytes held for slow sides; 0 or below is no bound
}

// A Forwarder forwards the TCP connections of any number of services. All methods
// may be called from several goroutines at once.
type Forwarder struct {
	*virtual.Reporter
	engine     *engine.Engine
	pipes      int             // most of each worker
	limiter    *engine.Limiter // of connections
	stashLimit stashBound      // of stashes
	sorry      sorryConns
	pauses     atomic.Uint64

	acceptErrors, limitReached rate.Sometimes
}

// New adds a Forwarder to the workers of an engine. It has to be called before the
// engine starts.
func New(e *engine.Engine, o Options) *Forwarder {
	f := &Forwarder{
		Reporter: o.Report, engine: e, limiter: engine.NewLimiter(), pipes: min(o.Pipes/e.Size(), maxPipes),
		acceptErrors: engine.EachMinute(), limitReached: engine.EachMinute(),
	}
	f.Bound(o.Bounds)
	f.sorry.release = f.release
	e.Handle(func(w *engine.Worker, events engine.Events) engine.Handler { return newHandler(f, w, events) }, f.sorry.close)
	return f
}

// Bound sets the bounds. Existing connections and buffers stay.
func (f *Forwarder) Bound(b Bounds) {
	f.limiter.SetLimit(int64(b.Connections))
	stashes := b.Buffers / engine.BufferSize
	if b.Buffers <= 0 {
		stashes = math.MaxInt64 / engine.BufferSize
	}
	f.stashLimit.limit.Store(stashes)
}

// Load returns the number of connections, and the bytes held for sides that do not
// take them.
func (f *Forwarder) Load() (connections, buffers dataplane.Usage) {
	return f.limiter.Load(), f.stashLimit.load()
}

// Wait returns nil when there is no connection, or ctx's error.
func (f *Forwarder) Wait(ctx context.Context) error { return f.limiter.Wait(ctx) }

// Pauses returns how often a worker has accepted no connections for a moment
// because there were no descriptors or no memory.
func (f *Forwarder) Pauses() uint64 { return f.pauses.Load() }

// release gives back the place of a connection, in the limit of connections and in
// the limits of its source. It is called once for every connection, at its end.
func (f *Forwarder) release(o refs) {
	o.source.Leave()
	f.limiter.Release(&o.service.Quota)
}

func (f *Forwarder) cannotAccept(s *Service, err unix.Errno) {
	f.acceptErrors.Do(func() {
		f.Log.Say(slog.LevelError, "cannot accept connections", "service", s.Name, "err", err)
	})
}

func (f *Forwarder) reportLimit(s *Service) {
	f.limitReached.Do(func() {
		l := f.limiter.Load()
		f.Log.Say(slog.LevelWarn, "clients wait: limit of connections reached", "service", s.Name, "limit", l.Limit, "reserved", l.Reserved)
	})
}

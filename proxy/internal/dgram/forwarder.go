package dgram

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// Bounds are the limits of a Forwarder, over all services. The local ports limit
// flows as well, see SetPorts.
type Bounds struct {
	Flows int

	// FlowsBy says why Flows is less than FlowsAsked, if that is above 0.
	FlowsAsked int
	FlowsBy    dataplane.Scarcity
}

// A Forwarder forwards the UDP flows of any number of services. All methods may be
// called from several goroutines at once.
type Forwarder struct {
	*virtual.Reporter
	engine    *engine.Engine
	limiter   *engine.Limiter // of flows
	evictions atomic.Uint64
	pauses    atomic.Uint64
	allowance allowance

	receiveErrors, limitReached rate.Sometimes
}

// New adds a Forwarder to the workers of an engine. It has to be called before the
// engine starts.
func New(e *engine.Engine, b Bounds, r *virtual.Reporter) *Forwarder {
	f := &Forwarder{Reporter: r, engine: e, limiter: engine.NewLimiter(), receiveErrors: engine.EachMinute(), limitReached: engine.EachMinute()}
	f.Bound(b)
	f.SetPorts(engine.LocalPorts())
	e.Handle(func(w *engine.Worker, events engine.Events) engine.Handler { return newHandler(f, w, events) }, func() {})
	return f
}

// allowance has the values that the limit of flows depends on.
type allowance struct {
	mu     sync.Mutex
	bounds Bounds
	ports  int // for flows
	found  int // flows for which there were ports
	by     dataplane.Scarcity
}

// Bound sets the bounds. Existing flows stay.
func (f *Forwarder) Bound(b Bounds) { f.allow(func(a *allowance) { a.bounds = b }) }

// SetPorts sets the local ports that the kernel chooses from.
func (f *Forwarder) SetPorts(p engine.Ports) {
	f.allow(func(a *allowance) { a.ports, a.found = p.ForFlows(), math.MaxInt })
}

// shortOfPorts lowers the limit to n flows because there were no ports for more. The
// limit holds until the ports are set again.
func (f *Forwarder) shortOfPorts(n int64) {
	f.allow(func(a *allowance) { a.found = max(1, min(a.found, int(n))) })
}

// allow sets the limit of flows after a change.
func (f *Forwarder) allow(change func(*allowance)) {
	a := &f.allowance
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
	limit := min(a.bounds.Flows, a.ports, a.found)
	a.by = a.bounds.FlowsBy
	if limit < a.bounds.Flows {
		a.by = dataplane.Ports
	}
	f.limiter.SetLimit(int64(limit))
}

// Load returns the number of flows.
func (f *Forwarder) Load() dataplane.Usage {
	l := f.limiter.Load()
	a := &f.allowance
	a.mu.Lock()
	defer a.mu.Unlock()
	l.By = a.by
	if asked := int64(a.bounds.FlowsAsked); asked > l.Limit {
		l.Asked = asked
	}
	return l
}

// Wait returns nil when there is no flow, or ctx's error.
func (f *Forwarder) Wait(ctx context.Context) error { return f.limiter.Wait(ctx) }

// Pauses returns how often a worker has made no new flows for a moment because
// there were no descriptors or no memory.
func (f *Forwarder) Pauses() uint64 { return f.pauses.Load() }

// Evictions returns how many flows were evicted for others.
func (f *Forwarder) Evictions() uint64 { return f.evictions.Load() }

func (f *Forwarder) cannotReceive(s *Service, err unix.Errno) {
	f.receiveErrors.Do(func() {
		f.Log.Say(slog.LevelError, "cannot receive datagrams", "service", s.Name, "err", err)
	})
}

func (f *Forwarder) reportLimit(s *Service) {
	f.limitReached.Do(func() {
		l := f.limiter.Load()
		f.Log.Say(slog.LevelWarn, "datagrams refused: limit of flows reached", "service", s.Name, "limit", l.Limit, "reserved", l.Reserved)
	})
}

package proxy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/dgram"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/stream"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

var (
	_ dataplane.Dataplane = (*Dataplane)(nil)
	_ dataplane.Drainer   = (*Dataplane)(nil)
	_ dataplane.Observer  = (*Dataplane)(nil)
	_ dataplane.Looker    = (*Dataplane)(nil)
	_ dataplane.Lister    = (*Dataplane)(nil)
)

// Options are the settings of a Dataplane. The zero value is usable.
type Options struct {
	Log       *slog.Logger // nil: nothing is logged
	Responder Responder    // nil: sorry servers refuse
	Limits    Limits
	// Workers is the number of event loops, each with a thread of its own; 0
	// means one for each core that Go uses, GOMAXPROCS. Go gets one processor
	// more for everything else.
	Workers int
}

// A Responder is the built-in sorry server. service is ServiceID.String() of
// the virtual service. Both methods are called from many goroutines at once.
type Responder interface {
	// ServeConn answers one connection. It owns and closes c, and returns when
	// done. It has to return soon after the proxy has closed c.
	ServeConn(service string, c net.Conn)
	// Answer returns the answer to a datagram, nil for none. It must neither
	// block nor keep datagram.
	Answer(service string, datagram []byte) []byte
}

// A Dataplane forwards in userspace. All methods may be called from several
// goroutines at once.
type Dataplane struct {
	log       *slog.Logger
	responder Responder
	engine    *engine.Engine
	report    *virtual.Reporter
	tcp       *stream.Forwarder
	udp       *dgram.Forwarder
	writes    atomic.Uint64

	ctx    context.Context // over when Close begins
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines

	// changing is held by a caller that changes services, which may wait for
	// workers. Nobody waits for a worker with mu held.
	changing chan struct{}
	// looking is held by a caller that reads the books for a snapshot.
	looking chan struct{}

	mu          sync.Mutex
	services    map[dataplane.ServiceID]*service
	latestRules parsedRules
	// evictedSources counts those of services that are gone.
	evictedSources uint64
	draining       bool
	closed         bool
}

// New returns a Dataplane without services. The caller closes it.
func New(o Options) *Dataplane {
	d := &Dataplane{
		log:       o.Log,
		responder: o.Responder,
		services:  map[dataplane.ServiceID]*service{},
		changing:  make(chan struct{}, 1),
		looking:   make(chan struct{}, 1),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	bounds := o.Limits.bounds()
	d.engine = engine.New(engine.Options{Workers: o.Workers, Log: d.log})
	d.report = virtual.NewReporter(d.engine)
	d.udp = dgram.New(d.engine, bounds.dgram, d.report)
	d.tcp = stream.New(d.engine, stream.Options{Bounds: bounds.stream, Pipes: pipes(OpenFiles()), Report: d.report})
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.work.Go(d.sweep)
	return d
}

// Apply implements [dataplane.Dataplane]. It returns the limits of Unsupported
// before it does anything. It waits until the connections that it has to cut are
// cut, during which other services can be changed.
func (d *Dataplane) Apply(ctx context.Context, want dataplane.VirtualService) error {
	if err := d.put(ctx, want); err != nil || len(want.Cut) == 0 {
		return err
	}
	return d.cut(ctx, want.ID)
}

// Observe implements [dataplane.Observer].
func (d *Dataplane) Observe(f func(dataplane.ServiceID, netip.AddrPort)) { d.report.Observe(f) }

// change waits until the caller may change services, and returns a function that
// ends the change. The context that it returns is done with ctx, and when Close
// begins.
func (d *Dataplane) change(ctx context.Context) (context.Context, func(), error) {
	if err := d.usable(ctx); err != nil {
		return nil, nil, err
	}
	select {
	case d.changing <- struct{}{}:
	case <-d.ctx.Done():
		return nil, nil, dataplane.ErrClosed
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	end := func() { stop(); cancel(); <-d.changing }
	if err := d.usable(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

// put makes the service as want describes it.
func (d *Dataplane) put(ctx context.Context, want dataplane.VirtualService) error {
	ctx, end, err := d.change(ctx)
	if err != nil {
		return err
	}
	defer end()
	if limits := Unsupported(want); len(limits) > 0 {
		return &dataplane.OpError{Op: "apply", Service: want.ID, Server: limits[0].Server, Err: limits[0]}
	}
	if err := may(want); err != nil {
		return &dataplane.OpError{Op: "apply", Service: want.ID, Err: err}
	}
	s := d.service(want.ID)
	if s != nil && s.closing {
		if err := d.removeService(ctx, s); err != nil {
			return err
		}
		s = nil
	}
	if s == nil {
		return d.add(ctx, want)
	}
	if !s.table.Spec().Equal(want) {
		s.apply(ctx, want)
		d.writes.Add(1)
	}
	return nil
}

func (d *Dataplane) service(id dataplane.ServiceID) *service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.services[id]
}

func (d *Dataplane) add(ctx context.Context, want dataplane.VirtualService) error {
	s := newService(d, want)
	if err := s.front.listen(ctx); err != nil {
		return &dataplane.OpError{Op: "listen", Service: want.ID, Err: cause(err)}
	}
	d.mu.Lock()
	d.services[want.ID] = s
	draining := d.draining
	d.mu.Unlock()
	d.writes.Add(1)
	if draining {
		return s.front.drain(ctx)
	}
	return nil
}

// removeService removes a service.
func (d *Dataplane) removeService(ctx context.Context, s *service) error {
	s.closing = true
	if err := s.front.close(ctx); err != nil {
		return &dataplane.OpError{Op: "remove", Service: s.id, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.services, s.id)
	d.evictedSources += s.shared.Screen.Evicted()
	d.writes.Add(1)
	return nil
}

// cause returns the error inside a net.OpError, because an OpError of ours repeats
// the rest.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Remove implements [dataplane.Dataplane]. TCP connections go on to their end;
// UDP flows end with the socket they are answered from.
func (d *Dataplane) Remove(ctx context.Context, id dataplane.ServiceID) error {
	ctx, end, err := d.change(ctx)
	if err != nil {
		return err
	}
	defer end()
	s := d.service(id)
	if s == nil {
		return nil
	}
	return d.removeService(ctx, s)
}

// Snapshot implements [dataplane.Dataplane]. It waits for no worker, not even for a
// stuck one that holds the lock of a service's books.
func (d *Dataplane) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	return d.look(ctx, d.all)
}

// Look implements [dataplane.Looker]. It waits no longer than Snapshot does.
func (d *Dataplane) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	found, err := d.look(ctx, func() []*service {
		if s := d.service(id); s != nil {
			return []*service{s}
		}
		return nil
	})
	if len(found) == 0 {
		return dataplane.ServiceStatus{}, err
	}
	return found[0], err
}

// look returns the status of some services, in order.
func (d *Dataplane) look(ctx context.Context, some func() []*service) ([]dataplane.ServiceStatus, error) {
	if err := d.usable(ctx); err != nil {
		return nil, err
	}
	select {
	case d.looking <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	seen := make(chan []dataplane.ServiceStatus, 1)
	go func() {
		defer func() { <-d.looking }()
		seen <- statusOf(some())
	}()
	select {
	case all := <-seen:
		return all, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func statusOf(services []*service) []dataplane.ServiceStatus {
	all := make([]dataplane.ServiceStatus, 0, len(services))
	for _, s := range services {
		st := s.table.Status()
		st.Full = s.shared.Waiting()
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b dataplane.ServiceStatus) int { return a.Service.ID.Compare(b.Service.ID) })
	return all
}

func (d *Dataplane) all() []*service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.services))
}

// Writes returns how many changes have been made: services opened, changed and
// closed. An Apply of an unchanged service makes none.
func (d *Dataplane) Writes() uint64 { return d.writes.Load() }

// AcceptPauses returns how often a worker has stopped accepting connections for
// a moment because the host had no descriptors or no memory.
func (d *Dataplane) AcceptPauses() uint64 { return d.tcp.Pauses() + d.udp.Pauses() }

func (d *Dataplane) usable(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return dataplane.ErrClosed
	}
	return ctx.Err()
}

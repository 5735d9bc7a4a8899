// Package mux puts several dataplanes behind one, and lets a service move from one
// of them to another while it serves.
package mux

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Mux is several dataplanes behind one: the directive dataplane says which
// of them serves a virtual service.
//
// It is safe for use by several goroutines.
type Mux struct {
	planes []Plane
	log    *slog.Logger
	wg     sync.WaitGroup

	migrating sync.Mutex // one service at a time; locked before mu

	mu   sync.Mutex
	want map[dataplane.ServiceID]string // by the configuration
	on   map[dataplane.ServiceID]int    // the dataplane that serves it now
	// migrations are the services that their old dataplanes still have.
	migrations map[dataplane.ServiceID]*migration
	// past has the counters of former dataplanes.
	past map[dataplane.ServiceID]dataplane.ServiceStatus
}

// A Plane is a dataplane with its name.
type Plane struct {
	dataplane.Dataplane
	Name string
}

var (
	_ dataplane.Dataplane = (*Mux)(nil)
	_ dataplane.Drainer   = (*Mux)(nil)
	_ dataplane.Finder    = (*Mux)(nil)
	_ dataplane.Auditor   = (*Mux)(nil)
	_ dataplane.Looker    = (*Mux)(nil)
	_ dataplane.Lister    = (*Mux)(nil)
	_ dataplane.Observer  = (*Mux)(nil)
	_ dataplane.Pather    = (*Mux)(nil)
)

// New returns one of planes, of which the first is the default. It closes them.
func New(log *slog.Logger, planes ...Plane) *Mux {
	return &Mux{
		planes: planes, log: log, want: map[dataplane.ServiceID]string{}, on: map[dataplane.ServiceID]int{},
		migrations: map[dataplane.ServiceID]*migration{}, past: map[dataplane.ServiceID]dataplane.ServiceStatus{},
	}
}

// Route says which dataplane each service is for; services that are not in it
// belong to the default. It takes effect with the next Apply of a service.
func (m *Mux) Route(want map[dataplane.ServiceID]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want = want
}

// Planes returns the dataplanes. The caller does not change the slice.
func (m *Mux) Planes() []Plane { return m.planes }

// Routes returns what Route was told last. The caller does not change the map.
func (m *Mux) Routes() map[dataplane.ServiceID]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.want
}

// target returns the dataplane that id is for, and the one that it is on, -1 for
// none.
func (m *Mux) target(id dataplane.ServiceID) (to, from int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	to = max(0, slices.IndexFunc(m.planes, func(p Plane) bool { return p.Name == m.want[id] }))
	from, ok := m.on[id]
	if !ok {
		from = -1
	}
	return to, from
}

func (m *Mux) setPlane(id dataplane.ServiceID, plane int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if plane < 0 {
		delete(m.on, id)
		delete(m.past, id)
		return
	}
	m.on[id] = plane
}

// Apply implements [dataplane.Dataplane]. A service that changes its dataplane
// is applied to the new one before it is removed from the old one.
func (m *Mux) Apply(ctx context.Context, v dataplane.VirtualService) error {
	to, from := m.target(v.ID)
	if from >= 0 && from != to {
		return m.migrate(ctx, v, from, to)
	}
	// Also if Apply fails: a service that is half applied has to be removed.
	m.setPlane(v.ID, to)
	return m.planes[to].Apply(ctx, v)
}

// Remove implements [dataplane.Dataplane].
func (m *Mux) Remove(ctx context.Context, id dataplane.ServiceID) error {
	m.migrating.Lock()
	defer m.migrating.Unlock()
	if err := m.finishMigration(ctx, id); err != nil {
		return err
	}
	_, from := m.target(id)
	if from < 0 {
		return nil
	}
	if err := m.planes[from].Remove(ctx, id); err != nil {
		return err
	}
	m.setPlane(id, -1)
	return nil
}

// Snapshot implements [dataplane.Dataplane]. The counters of a service include
// those of its former dataplanes.
func (m *Mux) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	byID := map[dataplane.ServiceID]dataplane.ServiceStatus{}
	for i, p := range m.planes {
		some, err := p.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		for _, st := range some {
			id := st.Service.ID
			if other, twice := byID[id]; twice && m.serves(id, i) {
				st = withCounters(st, other)
			} else if twice {
				st = withCounters(other, st)
			}
			byID[id] = st
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]dataplane.ServiceStatus, 0, len(byID))
	for id, st := range byID {
		all = append(all, withCounters(st, m.past[id]))
	}
	slices.SortFunc(all, func(a, b dataplane.ServiceStatus) int { return a.Service.ID.Compare(b.Service.ID) })
	return all, nil
}

// Look implements [dataplane.Looker], with the counters that Snapshot has.
func (m *Mux) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	m.mu.Lock()
	on, served := m.on[id]
	old, past := m.migrations[id], m.past[id]
	m.mu.Unlock()
	if !served {
		return dataplane.ServiceStatus{}, nil
	}
	st, err := dataplane.Look(ctx, m.planes[on].Dataplane, id)
	if err == nil && old != nil {
		var other dataplane.ServiceStatus
		other, err = dataplane.Look(ctx, m.planes[old.from].Dataplane, id)
		st = withCounters(st, other)
	}
	return withCounters(st, past), err
}

// Connections implements [dataplane.Lister], for those of the dataplanes that are one.
func (m *Mux) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return func(yield func(dataplane.Connection, error) bool) {
		for _, p := range m.planes {
			l, ok := p.Dataplane.(dataplane.Lister)
			if !ok {
				continue
			}
			for c, err := range l.Connections(ctx) {
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

// Served returns the names of the services that a dataplane serves now, in
// order.
func (m *Mux) Served(name string) (services []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, i := range m.on {
		if l := m.migrations[id]; m.planes[i].Name == name || l != nil && m.planes[l.from].Name == name {
			services = append(services, id.String())
		}
	}
	slices.Sort(services)
	return services
}

// serves reports whether a service is on a plane.
func (m *Mux) serves(id dataplane.ServiceID, plane int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	on, ok := m.on[id]
	return ok && on == plane
}

// Audit implements [dataplane.Auditor] by those dataplanes that can.
func (m *Mux) Audit(ctx context.Context) ([]dataplane.Drift, error) {
	var all []dataplane.Drift
	var errs []error
	for i, p := range m.planes {
		auditor, ok := p.Dataplane.(dataplane.Auditor)
		if !ok {
			continue
		}
		found, err := auditor.Audit(ctx)
		errs = append(errs, err)
		all = append(all, slices.DeleteFunc(found, func(f dataplane.Drift) bool { return !m.serves(f.Service, i) })...)
	}
	return all, errors.Join(errs...)
}

// Observe implements [dataplane.Observer] by those dataplanes that can.
func (m *Mux) Observe(f func(dataplane.ServiceID, netip.AddrPort)) {
	for _, p := range m.planes {
		if o, ok := p.Dataplane.(dataplane.Observer); ok {
			o.Observe(f)
		}
	}
}

// SetPaths implements [dataplane.Pather] by those dataplanes that can.
func (m *Mux) SetPaths(ctx context.Context, paths []dataplane.Path) error {
	var errs []error
	for _, p := range m.planes {
		if o, ok := p.Dataplane.(dataplane.Pather); ok {
			errs = append(errs, o.SetPaths(ctx, paths))
		}
	}
	return errors.Join(errs...)
}

// End implements [dataplane.Drainer] for those dataplanes that need it.
func (m *Mux) End(ctx context.Context) error {
	return m.drainers(func(d dataplane.Drainer) error { return d.End(ctx) })
}

// Drain implements [dataplane.Drainer].
func (m *Mux) Drain(ctx context.Context) error {
	err := m.finishMigrations(ctx)
	return errors.Join(err, m.drainers(func(d dataplane.Drainer) error { return d.Drain(ctx) }))
}

func (m *Mux) drainers(do func(dataplane.Drainer) error) error {
	var errs []error
	for _, p := range m.planes {
		if d, ok := p.Dataplane.(dataplane.Drainer); ok {
			errs = append(errs, do(d))
		}
	}
	return errors.Join(errs...)
}

// Close implements [dataplane.Dataplane].
func (m *Mux) Close() error {
	errs := []error{m.finishMigrations(context.Background())}
	m.wg.Wait()
	for _, p := range m.planes {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Find implements [dataplane.Finder] by those dataplanes that can.
func (m *Mux) Find(ctx context.Context, ids []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
	var all []dataplane.VirtualService
	for i, p := range m.planes {
		f, ok := p.Dataplane.(dataplane.Finder)
		if !ok {
			continue
		}
		here := slices.DeleteFunc(slices.Clone(ids), func(id dataplane.ServiceID) bool {
			to, _ := m.target(id)
			return to != i
		})
		found, err := f.Find(ctx, here)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
)

// A mux is several dataplanes behind one: the directive dataplane says which
// of them serves a virtual service.
type mux struct {
	planes []named // the first one is the default

	mu   sync.Mutex
	want map[dataplane.ServiceID]string // what the configuration says
	on   map[dataplane.ServiceID]int    // where a service is served now
}

// A named is a dataplane and what the configuration calls it.
type named struct {
	dataplane.Dataplane
	name string
}

var (
	_ dataplane.Dataplane = (*mux)(nil)
	_ dataplane.Drainer   = (*mux)(nil)
	_ dataplane.Finder    = (*mux)(nil)
)

func newMux(planes ...named) *mux {
	return &mux{planes: planes, want: map[dataplane.ServiceID]string{}, on: map[dataplane.ServiceID]int{}}
}

// route says which dataplane each service is for; services that are not in it
// belong to the default. It takes effect with the next Apply of a service.
func (m *mux) route(want map[dataplane.ServiceID]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want = want
}

// target is the dataplane that id is for, and the one that it is on, -1 for
// none.
func (m *mux) target(id dataplane.ServiceID) (to, from int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	to = max(0, slices.IndexFunc(m.planes, func(p named) bool { return p.name == m.want[id] }))
	from, ok := m.on[id]
	if !ok {
		from = -1
	}
	return to, from
}

func (m *mux) note(id dataplane.ServiceID, plane int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if plane < 0 {
		delete(m.on, id)
		return
	}
	m.on[id] = plane
}

// Apply implements [dataplane.Dataplane]. A service that changes its dataplane
// leaves the old one first: two of them cannot take the same traffic.
func (m *mux) Apply(ctx context.Context, v dataplane.VirtualService) error {
	to, from := m.target(v.ID)
	if from >= 0 && from != to {
		if err := m.planes[from].Remove(ctx, v.ID); err != nil {
			return err
		}
		m.note(v.ID, -1)
	}
	// Noted even if it fails: what was half done is there to be removed.
	m.note(v.ID, to)
	return m.planes[to].Apply(ctx, v)
}

// Remove implements [dataplane.Dataplane].
func (m *mux) Remove(ctx context.Context, id dataplane.ServiceID) error {
	_, from := m.target(id)
	if from < 0 {
		return nil
	}
	if err := m.planes[from].Remove(ctx, id); err != nil {
		return err
	}
	m.note(id, -1)
	return nil
}

// Snapshot implements [dataplane.Dataplane].
func (m *mux) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	var all []dataplane.ServiceStatus
	for _, p := range m.planes {
		part, err := p.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	slices.SortFunc(all, func(a, b dataplane.ServiceStatus) int { return a.Service.ID.Compare(b.Service.ID) })
	return all, nil
}

// Drain implements [dataplane.Drainer] for those dataplanes that need it.
func (m *mux) Drain(ctx context.Context) error {
	var errs []error
	for _, p := range m.planes {
		if d, ok := p.Dataplane.(dataplane.Drainer); ok {
			errs = append(errs, d.Drain(ctx))
		}
	}
	return errors.Join(errs...)
}

// Close implements [dataplane.Dataplane].
func (m *mux) Close() error {
	var errs []error
	for _, p := range m.planes {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Find implements [dataplane.Finder] by those dataplanes that can.
func (m *mux) Find(ctx context.Context, ids []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
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

package mux

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// Handshake is the time in which connections that have begun are made, lost
// packets included.
const Handshake = 3 * time.Second

// When a service changes its dataplane the new one begins to serve it first. The
// old one stops when it has no connection left, or after maxMigration.
const (
	maxMigration    = 5 * time.Minute
	migrationPeriod = 100 * time.Millisecond // between two looks
)

// An Interceptor is a dataplane that sees the packets of a service before the
// other dataplane does.
type Interceptor interface {
	// HandOver delivers new connections to the listener of the service on this
	// host, and goes on with those that exist.
	HandOver(ctx context.Context, id dataplane.ServiceID) error
	// Depending returns how many connections would be lost if the service were
	// removed.
	Depending(ctx context.Context, id dataplane.ServiceID) (int, error)
}

// A Dropper is a dataplane that refuses clients while it begins to serve a
// service. ApplyDropping drops their packets instead, so that they try again:
// that is for a service that this host has served until then.
type Dropper interface {
	ApplyDropping(ctx context.Context, v dataplane.VirtualService) error
}

// An AddrReleaser is a dataplane that may listen on the address of a service.
// ReleaseAddr ends that, so that another dataplane can.
type AddrReleaser interface{ ReleaseAddr(id dataplane.ServiceID) }

// A migration is a service that its old dataplane still has.
type migration struct {
	from  int
	began time.Time
	stop  chan struct{} // closed when it is over
}

// migrate applies a service to another dataplane. If that fails the old one goes
// on with the service it has.
func (m *Mux) migrate(ctx context.Context, v dataplane.VirtualService, from, to int) error {
	m.migrating.Lock()
	defer m.migrating.Unlock()
	m.cancelMigration(v.ID)
	old := m.planes[from].Dataplane
	if o, ok := old.(AddrReleaser); ok {
		o.ReleaseAddr(v.ID)
	}
	apply := m.planes[to].Apply
	if d, ok := m.planes[to].Dataplane.(Dropper); ok {
		apply = d.ApplyDropping
	}
	if err := apply(ctx, v); err != nil {
		return errors.Join(err, m.planes[to].Remove(ctx, v.ID))
	}
	m.setPlane(v.ID, to)
	mg := &migration{from: from, began: time.Now(), stop: make(chan struct{})}
	m.mu.Lock()
	m.migrations[v.ID] = mg
	m.mu.Unlock()
	m.wg.Go(func() { m.watchMigration(v.ID, mg) })
	m.log.Info("virtual service changes its dataplane", "service", v.ID.String(), "from", m.planes[from].Name, "to", m.planes[to].Name)
	if i, ok := old.(Interceptor); ok {
		if err := i.HandOver(ctx, v.ID); err != nil {
			m.log.Warn("dataplane does not hand connections over", "service", v.ID.String(), "err", err)
			return m.finishMigration(ctx, v.ID)
		}
	}
	return nil
}

// cancelMigration leaves a service on its old dataplane, too.
func (m *Mux) cancelMigration(id dataplane.ServiceID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mg := m.migrations[id]; mg != nil {
		close(mg.stop)
		delete(m.migrations, id)
	}
}

// watchMigration removes a service from its old dataplane when no connection
// depends on that, or it takes too long.
func (m *Mux) watchMigration(id dataplane.ServiceID, mg *migration) {
	tick := time.NewTicker(migrationPeriod)
	defer tick.Stop()
	for {
		select {
		case <-mg.stop:
			return
		case <-tick.C:
		}
		if since := time.Since(mg.began); since > maxMigration || since > Handshake && m.depending(id, mg) == 0 {
			if m.endMigration(id, mg) {
				return
			}
		}
	}
}

// depending returns how many connections depend on the old dataplane of a
// service, 1 if that cannot be found out.
func (m *Mux) depending(id dataplane.ServiceID, mg *migration) int {
	i, ok := m.planes[mg.from].Dataplane.(Interceptor)
	if !ok {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), Handshake)
	defer cancel()
	n, err := i.Depending(ctx, id)
	if err != nil {
		return 1 // until maxMigration
	}
	return n
}

// endMigration removes a service from its old dataplane. It returns false if
// that has to be tried again.
func (m *Mux) endMigration(id dataplane.ServiceID, mg *migration) bool {
	m.migrating.Lock()
	defer m.migrating.Unlock()
	m.mu.Lock()
	over := m.migrations[id] != mg
	m.mu.Unlock()
	if over {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), Handshake)
	defer cancel()
	if n := m.depending(id, mg); n > 0 {
		m.log.Warn("connections end because their virtual service has changed its dataplane", "service", id.String(), "connections", n)
	}
	if err := m.finishMigration(ctx, id); err != nil {
		m.log.Warn("virtual service cannot be removed from its old dataplane", "service", id.String(), "dataplane", m.planes[mg.from].Name, "err", err)
		return false
	}
	return true
}

// finishMigration removes a service from its old dataplane now, if it is still
// there. The caller holds migrating.
func (m *Mux) finishMigration(ctx context.Context, id dataplane.ServiceID) error {
	m.mu.Lock()
	mg := m.migrations[id]
	m.mu.Unlock()
	if mg == nil {
		return nil
	}
	last := m.statusOn(ctx, mg.from, id)
	if err := m.planes[mg.from].Remove(ctx, id); err != nil {
		return err
	}
	m.mu.Lock()
	m.past[id] = withCounters(last, m.past[id])
	m.mu.Unlock()
	m.cancelMigration(id)
	return nil
}

// finishMigrations is finishMigration for all services.
func (m *Mux) finishMigrations(ctx context.Context) error {
	m.migrating.Lock()
	defer m.migrating.Unlock()
	m.mu.Lock()
	ids := make([]dataplane.ServiceID, 0, len(m.migrations))
	for id := range m.migrations {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	var errs []error
	for _, id := range ids {
		if err := m.finishMigration(ctx, id); err != nil {
			m.cancelMigration(id) // its goroutine has to end
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// statusOn returns the status of a service on one dataplane, the zero value if it
// cannot be read.
func (m *Mux) statusOn(ctx context.Context, plane int, id dataplane.ServiceID) dataplane.ServiceStatus {
	st, _ := dataplane.Look(ctx, m.planes[plane].Dataplane, id)
	return st
}

// withCounters returns st with the counters of the same service elsewhere added.
func withCounters(st, other dataplane.ServiceStatus) dataplane.ServiceStatus {
	st.Counters = st.Counters.Add(other.Counters)
	st.Servers, st.Left = slices.Clone(st.Servers), slices.Clone(st.Left)
	for _, o := range slices.Concat(other.Servers, other.Left) {
		here := func(s dataplane.ServerStatus) bool { return s.Addr == o.Addr }
		to := &st.Servers
		i := slices.IndexFunc(st.Servers, here)
		if i < 0 {
			to = &st.Left
			i = slices.IndexFunc(st.Left, here)
		}
		if i < 0 {
			st.Left = append(st.Left, o)
			continue
		}
		s := &(*to)[i]
		s.Counters = s.Counters.Add(o.Counters)
		s.Active, s.Inactive, s.Persistent = s.Active+o.Active, s.Inactive+o.Inactive, s.Persistent+o.Persistent
	}
	return st
}

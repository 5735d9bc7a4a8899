package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// When a service changes its dataplane the new one takes it in first, and the
// old one lets go of it when nobody is left there, or it takes too long.
const (
	handshake = 3 * time.Second // in which connections that have begun are made, lost packets included
	patience  = 5 * time.Minute // for those that are there
)

// A retirer is a dataplane that takes the packets of a service before the other
// one sees them, and has to pass them on while it still serves connections.
type retirer interface {
	// retire has new connections go to who listens for the service on this
	// host, and those that exist go on.
	retire(ctx context.Context, id dataplane.ServiceID) error
	// busy is how many connections would be lost if the service were removed.
	busy(ctx context.Context, id dataplane.ServiceID) (int, error)
}

// A taker is a dataplane that refuses clients for a moment when it begins with a
// service, and does not where they have been served by this host until then.
type taker interface {
	takeFromHost(ctx context.Context, v dataplane.VirtualService) error
}

// A leave is a service that a dataplane has not let go yet.
type leave struct {
	from  int
	began time.Time
	over  chan struct{} // closed when it is to be forgotten
}

// move has a service taken in by another dataplane. Where that fails the old
// one goes on with what it has.
func (m *mux) move(ctx context.Context, v dataplane.VirtualService, from, to int) error {
	m.moving.Lock()
	defer m.moving.Unlock()
	m.forget(v.ID)
	old := m.planes[from].Dataplane
	if y, ok := old.(interface{ yield(id dataplane.ServiceID) }); ok {
		y.yield(v.ID)
	}
	apply := m.planes[to].Apply
	if t, ok := m.planes[to].Dataplane.(taker); ok {
		apply = t.takeFromHost
	}
	if err := apply(ctx, v); err != nil {
		return errors.Join(err, m.planes[to].Remove(ctx, v.ID))
	}
	m.note(v.ID, to)
	l := &leave{from: from, began: time.Now(), over: make(chan struct{})}
	m.mu.Lock()
	m.leaving[v.ID] = l
	m.mu.Unlock()
	m.wg.Go(func() { m.letGo(v.ID, l) })
	m.log.Info("virtual service changes its dataplane", "service", v.ID.String(), "from", m.planes[from].name, "to", m.planes[to].name)
	if r, ok := old.(retirer); ok {
		if err := r.retire(ctx, v.ID); err != nil {
			m.log.Warn("dataplane does not pass connections on", "service", v.ID.String(), "err", err)
			return m.finish(ctx, v.ID)
		}
	}
	return nil
}

// forget has a dataplane keep what it has not let go yet.
func (m *mux) forget(id dataplane.ServiceID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.leaving[id]; l != nil {
		close(l.over)
		delete(m.leaving, id)
	}
}

// letGo removes a service from the dataplane that it has left.
func (m *mux) letGo(id dataplane.ServiceID, l *leave) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-l.over:
			return
		case <-tick.C:
		}
		if since := time.Since(l.began); since > patience || since > handshake && m.left(id, l) == 0 {
			if m.end(id, l) {
				return
			}
		}
	}
}

// left is how many connections are with the dataplane that a service has left,
// as far as they need it.
func (m *mux) left(id dataplane.ServiceID, l *leave) int {
	r, ok := m.planes[l.from].Dataplane.(retirer)
	if !ok {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshake)
	defer cancel()
	n, err := r.busy(ctx, id)
	if err != nil {
		return 1 // nobody knows; patience ends it
	}
	return n
}

// end removes a service from the dataplane that it has left, and reports whether
// that is over.
func (m *mux) end(id dataplane.ServiceID, l *leave) bool {
	m.moving.Lock()
	defer m.moving.Unlock()
	m.mu.Lock()
	gone := m.leaving[id] != l
	m.mu.Unlock()
	if gone {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshake)
	defer cancel()
	if n := m.left(id, l); n > 0 {
		m.log.Warn("connections end because their virtual service has changed its dataplane", "service", id.String(), "connections", n)
	}
	if err := m.finish(ctx, id); err != nil {
		m.log.Warn("dataplane does not let go of a service", "service", id.String(), "dataplane", m.planes[l.from].name, "err", err)
		return false
	}
	return true
}

// finish has the dataplane that a service has left let go of it now. The caller
// has locked moving.
func (m *mux) finish(ctx context.Context, id dataplane.ServiceID) error {
	m.mu.Lock()
	l := m.leaving[id]
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	was := m.last(ctx, l.from, id)
	if err := m.planes[l.from].Remove(ctx, id); err != nil {
		return err
	}
	m.mu.Lock()
	m.past[id] = with(was, m.past[id])
	m.mu.Unlock()
	m.forget(id)
	return nil
}

// finishAll is finish for all.
func (m *mux) finishAll(ctx context.Context) error {
	m.moving.Lock()
	defer m.moving.Unlock()
	m.mu.Lock()
	ids := make([]dataplane.ServiceID, 0, len(m.leaving))
	for id := range m.leaving {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	var errs []error
	for _, id := range ids {
		if err := m.finish(ctx, id); err != nil {
			m.forget(id) // its goroutine is to end
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// last is what a dataplane has counted for a service, as far as it can be read.
func (m *mux) last(ctx context.Context, plane int, id dataplane.ServiceID) dataplane.ServiceStatus {
	if one, ok := m.planes[plane].Dataplane.(interface {
		Status(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error)
	}); ok {
		st, _ := one.Status(ctx, id)
		return st
	}
	all, _ := m.planes[plane].Snapshot(ctx)
	i := slices.IndexFunc(all, func(st dataplane.ServiceStatus) bool { return st.Service.ID == id })
	if i < 0 {
		return dataplane.ServiceStatus{}
	}
	return all[i]
}

// with is st with what was counted elsewhere for the same service.
func with(st, other dataplane.ServiceStatus) dataplane.ServiceStatus {
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

package ipvs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// Snapshot implements [dataplane.Dataplane]. It lists the services that were
// applied here, each as it was at one moment; for one that another program has
// removed it has counters alone. Packet and byte counters are up to two seconds
// old. The kernel counts bytes with their headers, and neither Failures nor
// Refused. No change waits for it.
func (d *Dataplane) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	marks, err := d.marks(ctx)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	listed, err := d.view.services()
	if err != nil {
		return nil, &dataplane.OpError{Op: "list services", Err: err}
	}
	all := make([]dataplane.ServiceStatus, 0, len(marks))
	for _, m := range marks {
		e, there := listed[m.id]
		var lost error
		if there {
			e.servers, lost = d.view.servers(m.id)
		}
		switch st, ours, err := d.settle(ctx, m, e, there, lost); {
		case err != nil:
			return nil, err
		case ours:
			all = append(all, st)
		}
	}
	return all, nil
}

// Look implements [dataplane.Looker].
func (d *Dataplane) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	marks, err := d.marks(ctx, id)
	if err != nil || len(marks) == 0 {
		return dataplane.ServiceStatus{}, err
	}
	st, _, err := d.look(ctx, marks[0])
	return st, err
}

// Alone reports whether the kernel has no other service of the family of id, by
// whatever program. The kernel looks at no packets of a family without services.
func (d *Dataplane) Alone(ctx context.Context, id dataplane.ServiceID) (bool, error) {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	if _, err := d.marks(ctx, id); err != nil {
		return false, err
	}
	all, err := d.view.services()
	for other := range all {
		if other != id && ipv6(other) == ipv6(id) {
			return false, err
		}
	}
	return err == nil, err
}

// A seen is a service that was applied here, as it was before it is read. What is
// read is consistent if the epoch is still the same.
type seen struct {
	id           dataplane.ServiceID
	epoch        uint64
	print, audit uint64
}

// marks returns the marks of ids, or of all services without any, in order.
func (d *Dataplane) marks(ctx context.Context, ids ...dataplane.ServiceID) ([]seen, error) {
	if d.closing.Load() {
		return nil, dataplane.ErrClosed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return nil, err
	}
	if ids == nil {
		ids = slices.Collect(maps.Keys(d.applied))
	}
	marks := make([]seen, 0, len(ids))
	for _, id := range ids {
		if a := d.applied[id]; a != nil {
			marks = append(marks, seen{id, a.epoch, a.print, a.audit})
		}
	}
	slices.SortFunc(marks, func(a, b seen) int { return a.id.Compare(b.id) })
	return marks, nil
}

// settle returns the status of a service of which e, or err, was read after m. It
// reads again a service that was changed meanwhile.
func (d *Dataplane) settle(ctx context.Context, m seen, e entry, there bool, err error) (st dataplane.ServiceStatus, ours bool, _ error) {
	if d.closing.Load() {
		return st, false, dataplane.ErrClosed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if lost := d.usable(ctx); lost != nil {
		return st, false, lost
	}
	a := d.applied[m.id]
	if a == nil {
		return st, false, nil
	}
	if err == nil && a.epoch != m.epoch {
		e, there, err = d.find(m.id)
	}
	if err != nil {
		return st, false, &dataplane.OpError{Op: "read", Service: m.id, Err: err}
	}
	return a.status(e, there), true, nil
}

// look reads one service, after m.
func (d *Dataplane) look(ctx context.Context, m seen) (dataplane.ServiceStatus, bool, error) {
	e, err := d.view.read(m.id)
	there := err == nil
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return d.settle(ctx, m, e, there, err)
}

// lag is how far figures may be behind: counters of connections are estimated every two
// seconds, and a client whose handshake is under way is not active yet.
const lag = 3 * time.Second

// status records what was just read of a service and returns it in terms of the
// contract.
func (a *applied) status(e entry, there bool) dataplane.ServiceStatus {
	want := goal(a.want)
	if !there {
		e = entry{options: want.options, counters: a.totals.service.latest}
	}
	a.totals.record(&e)
	st := e.status(a.want)
	st.Lag = lag
	st.Left = a.totals.left(e)
	if there {
		st.Changes = changes(a.want.ID, *e.state(), want)
		st.Missing = missing(*e.state(), want)
	} else {
		st.Changes = []string{"the service is missing"}
	}
	return st
}

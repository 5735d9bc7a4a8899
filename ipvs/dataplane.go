package ipvs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

var (
	_ dataplane.Dataplane = (*Dataplane)(nil)
	_ dataplane.Finder    = (*Dataplane)(nil)
)

// Options are what a Dataplane is made with. The zero value is usable.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
}

// A Dataplane programs the IPVS of one network namespace. All methods may be
// called from several goroutines at once.
type Dataplane struct {
	log    *slog.Logger
	writes atomic.Uint64

	mu      sync.Mutex // one call to the kernel at a time
	table   table
	applied map[dataplane.ServiceID]dataplane.VirtualService // what was asked for last
	closed  bool
}

// New returns a Dataplane for the network namespace of the calling thread. It
// has changed nothing yet. Where the kernel has no IPVS and cannot load it the
// error is [ErrNoIPVS], without CAP_NET_ADMIN it is [ErrNoRights]. Close has
// to be called.
func New(o Options) (*Dataplane, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k, err := openKernel(log)
	if err != nil {
		return nil, err
	}
	return over(k, log), nil
}

func over(t table, log *slog.Logger) *Dataplane {
	return &Dataplane{log: log, table: t, applied: map[dataplane.ServiceID]dataplane.VirtualService{}}
}

// Apply implements [dataplane.Dataplane]. What Unsupported says is returned
// before anything else is done. A service that is in the kernel's table
// already is taken over. What the kernel refuses about one real server does
// not hold up the others, and no real server leaves as long as none of those
// that are to serve is in place.
func (d *Dataplane) Apply(ctx context.Context, want dataplane.VirtualService) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	if limits := Unsupported(want); len(limits) > 0 {
		return &dataplane.OpError{Op: "apply", Service: want.ID, Server: limits[0].Server, Err: limits[0]}
	}
	d.applied[want.ID] = want.Clone()
	err := d.reconcile(ctx, want.ID, goal(want))
	if err != nil && raced(err) {
		err = d.reconcile(ctx, want.ID, goal(want))
	}
	return err
}

// Remove implements [dataplane.Dataplane]. Packets of established connections
// are dropped from then on.
func (d *Dataplane) Remove(ctx context.Context, id dataplane.ServiceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	if _, ours := d.applied[id]; !ours {
		return nil
	}
	d.writes.Add(1)
	if err := d.table.delService(id); err != nil && !errors.Is(err, unix.ESRCH) {
		return &dataplane.OpError{Op: "remove", Service: id, Err: err}
	}
	delete(d.applied, id)
	return nil
}

// Snapshot implements [dataplane.Dataplane]. It lists the services that were
// applied here and are in the kernel's table, each as it was at one time.
// Packet and byte counters are late by up to two seconds. The kernel counts
// bytes with their headers, and neither Failures nor Refused.
func (d *Dataplane) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	ids, err := d.ours(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]dataplane.ServiceStatus, 0, len(ids))
	for _, id := range ids {
		st, there, err := d.snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		if there {
			all = append(all, st)
		}
	}
	return all, nil
}

// ours returns the services that were applied here, in order.
func (d *Dataplane) ours(ctx context.Context) ([]dataplane.ServiceID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return nil, err
	}
	ids := make([]dataplane.ServiceID, 0, len(d.applied))
	for id := range d.applied {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, dataplane.ServiceID.Compare)
	return ids, nil
}

// snapshot reads one service. Others may be changed before the next.
func (d *Dataplane) snapshot(ctx context.Context, id dataplane.ServiceID) (st dataplane.ServiceStatus, there bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return st, false, err
	}
	last, ours := d.applied[id]
	if !ours {
		return st, false, nil
	}
	e, there, err := d.find(id)
	if !there {
		return st, false, err
	}
	return e.status(last), true, nil
}

// find reads a service that may not be there.
func (d *Dataplane) find(id dataplane.ServiceID) (e entry, there bool, err error) {
	e, err = d.table.read(id)
	switch {
	case errors.Is(err, unix.ESRCH):
		return e, false, nil
	case err != nil:
		return e, false, &dataplane.OpError{Op: "read", Service: id, Err: err}
	}
	return e, true, nil
}

// Find implements [dataplane.Finder]. Real servers are in the order in which
// the kernel goes through them.
func (d *Dataplane) Find(ctx context.Context, ids []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []dataplane.VirtualService
	for _, id := range ids {
		if err := d.usable(ctx); err != nil {
			return nil, err
		}
		e, there, err := d.find(id)
		if err != nil {
			return nil, err
		}
		if there {
			found = append(found, e.status(dataplane.VirtualService{ID: id}).Service)
		}
	}
	return found, nil
}

// Writes returns how many changes have been asked of the kernel. An Apply of
// what is in force asks for none.
func (d *Dataplane) Writes() uint64 { return d.writes.Load() }

// Close implements [dataplane.Dataplane]. Everything goes on being forwarded.
func (d *Dataplane) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.table.close()
	}
	return nil
}

func (d *Dataplane) usable(ctx context.Context) error {
	if d.closed {
		return dataplane.ErrClosed
	}
	return ctx.Err()
}

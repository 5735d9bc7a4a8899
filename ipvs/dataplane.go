package ipvs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

var (
	_ dataplane.Dataplane = (*Dataplane)(nil)
	_ dataplane.Finder    = (*Dataplane)(nil)
	_ dataplane.Auditor   = (*Dataplane)(nil)
	_ dataplane.Pather    = (*Dataplane)(nil)
	_ dataplane.Looker    = (*Dataplane)(nil)
)

// Options configure a Dataplane. The zero value is usable.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
	// Renewed is called, in a goroutine of its own, after the module was loaded
	// again, when the settings of IPVS have their defaults. Each service comes
	// back with its next Apply. Renewed may be nil.
	Renewed func()
}

// A Dataplane programs the IPVS of one network namespace. All methods may be
// called from several goroutines at once.
type Dataplane struct {
	log    *slog.Logger
	writes atomic.Uint64

	viewing sync.Mutex // one reader at a time; changes do not wait for it
	view    viewer
	audits  uint64
	closing atomic.Bool
	telling sync.WaitGroup

	mu      sync.Mutex // one change at a time; locked after viewing
	table   table
	applied map[dataplane.ServiceID]*applied
	closed  bool
}

// An applied is a service that was applied here.
type applied struct {
	want   dataplane.VirtualService // what was asked for last
	epoch  uint64                   // grows with each attempt to change it
	totals totals
	// print is the service's in the listing when it was last read and found to be
	// as applied; 0 is not known. audit is that in which it was read.
	print, audit uint64
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
	d := withTable(k, log)
	k.renewed(func() {
		log.Warn("module ip_vs was loaded again: services and settings of IPVS are set anew")
		if o.Renewed != nil {
			d.telling.Go(o.Renewed)
		}
	})
	return d, nil
}

func withTable(t table, log *slog.Logger) *Dataplane {
	return &Dataplane{log: log, table: t, view: t.view(), applied: map[dataplane.ServiceID]*applied{}}
}

// Apply implements [dataplane.Dataplane]. It returns the limits of Unsupported
// before it does anything. It adopts a service that is in the kernel's table
// already. An error with one real server does not stop the others, and no real
// server is removed before one that serves is in place.
func (d *Dataplane) Apply(ctx context.Context, want dataplane.VirtualService) error {
	return d.apply(ctx, want, unchanged)
}

// apply is Apply, but adjust may change the steps.
func (d *Dataplane) apply(ctx context.Context, want dataplane.VirtualService, adjust func([]step)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	if limits := Unsupported(want); len(limits) > 0 {
		return &dataplane.OpError{Op: "apply", Service: want.ID, Server: limits[0].Server, Err: limits[0]}
	}
	a := d.applied[want.ID]
	if a == nil {
		a = &applied{totals: newTotals()}
		d.applied[want.ID] = a
	}
	a.want, a.epoch, a.print = want.Clone(), a.epoch+1, 0
	err := d.reconcile(ctx, want.ID, goal(want), &a.totals, adjust)
	if err != nil && raced(err) {
		err = d.reconcile(ctx, want.ID, goal(want), &a.totals, adjust)
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
	err := d.table.delService(id)
	if outdated(err) { // a request that only reads finds the new number
		if _, there, lost := d.find(id); lost != nil || !there {
			err = lost
		} else {
			err = d.table.delService(id)
		}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return &dataplane.OpError{Op: "remove", Service: id, Err: err}
	}
	delete(d.applied, id)
	return nil
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

// Close implements [dataplane.Dataplane]. The kernel goes on forwarding.
func (d *Dataplane) Close() error {
	d.closing.Store(true)
	d.close()
	d.telling.Wait()
	return nil
}

func (d *Dataplane) close() {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.table.close()
	}
}

func (d *Dataplane) usable(ctx context.Context) error {
	if d.closed {
		return dataplane.ErrClosed
	}
	return ctx.Err()
}

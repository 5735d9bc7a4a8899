package ipvs

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// SetPaths implements [dataplane.Pather]: a path is a service by its mark, with
// one real server. A path that is in place already costs one read and no change.
func (d *Dataplane) SetPaths(ctx context.Context, paths []dataplane.Path) error {
	return d.setPaths(ctx, paths, dataplane.IsPathMark)
}

// SetTrialPaths is SetPaths for checks that are made by hand, beside those of a
// director: their marks are others.
func (d *Dataplane) SetTrialPaths(ctx context.Context, paths []dataplane.Path) error {
	return d.setPaths(ctx, paths, dataplane.IsTrialMark)
}

// setPaths sets paths whose marks are ours.
func (d *Dataplane) setPaths(ctx context.Context, paths []dataplane.Path, ours func(mark uint32) bool) error {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	have, err := d.view.services()
	if err != nil {
		return &dataplane.OpError{Op: "read", Err: err}
	}
	var errs []error
	wanted := map[dataplane.ServiceID]bool{}
	for _, p := range paths {
		id := pathID(p)
		wanted[id] = true
		want := dataplane.VirtualService{ID: id, Scheduler: "rr", RealServers: []dataplane.RealServer{p.Server}}
		none := newTotals()
		errs = append(errs, d.reconcile(ctx, id, goal(want), &none, unchanged))
	}
	for id := range have {
		if id.Protocol == dataplane.FWMark && ours(id.Mark) && !wanted[id] {
			d.writes.Add(1)
			if err := d.table.delService(id); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, &dataplane.OpError{Op: "remove", Service: id, Err: err})
			}
		}
	}
	return errors.Join(errs...)
}

func pathID(p dataplane.Path) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: p.Mark, IPv6: p.IPv6}
}

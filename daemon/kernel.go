package daemon

import (
	"context"
	"iter"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
)

// A kernel is IPVS on a host that may not have it yet: it tries to open it again
// with every service that is for it.
type kernel struct {
	options ipvs.Options
	work    sync.WaitGroup

	mu     sync.Mutex
	plane  *ipvs.Dataplane // nil: none yet
	closed bool
}

var _ kernelPlane = (*kernel)(nil)

// open returns IPVS, or why this host has none.
func (k *kernel) open() (*ipvs.Dataplane, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.plane != nil {
		return k.plane, nil
	}
	if k.closed {
		return nil, dataplane.ErrClosed
	}
	plane, err := newIPVS(k.options)
	if err != nil {
		return nil, err
	}
	if k.plane = plane; k.options.Renewed != nil {
		k.work.Go(k.options.Renewed) // its settings are the kernel's defaults
	}
	return plane, nil
}

// opened returns IPVS if it is there already, else nil.
func (k *kernel) opened() *ipvs.Dataplane {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.plane
}

// Apply implements [dataplane.Dataplane].
func (k *kernel) Apply(ctx context.Context, v dataplane.VirtualService) error {
	plane, err := k.open()
	if err != nil {
		return &dataplane.OpError{Op: "apply", Service: v.ID, Err: err}
	}
	return plane.Apply(ctx, v)
}

// ApplyDropping is that of IPVS.
func (k *kernel) ApplyDropping(ctx context.Context, v dataplane.VirtualService) error {
	plane, err := k.open()
	if err != nil {
		return &dataplane.OpError{Op: "apply", Service: v.ID, Err: err}
	}
	return plane.ApplyDropping(ctx, v)
}

// Remove implements [dataplane.Dataplane].
func (k *kernel) Remove(ctx context.Context, id dataplane.ServiceID) error {
	if plane := k.opened(); plane != nil {
		return plane.Remove(ctx, id)
	}
	return nil
}

// Snapshot implements [dataplane.Dataplane].
func (k *kernel) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	if plane := k.opened(); plane != nil {
		return plane.Snapshot(ctx)
	}
	return nil, nil
}

// Find implements [dataplane.Finder].
func (k *kernel) Find(ctx context.Context, ids []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
	if plane := k.opened(); plane != nil {
		return plane.Find(ctx, ids)
	}
	return nil, nil
}

// Audit implements [dataplane.Auditor].
func (k *kernel) Audit(ctx context.Context) ([]dataplane.Drift, error) {
	if plane := k.opened(); plane != nil {
		return plane.Audit(ctx)
	}
	return nil, nil
}

// Connections implements [dataplane.Lister].
func (k *kernel) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	if plane := k.opened(); plane != nil {
		return plane.Connections(ctx)
	}
	return func(func(dataplane.Connection, error) bool) {}
}

// SetPaths implements [dataplane.Pather].
func (k *kernel) SetPaths(ctx context.Context, paths []dataplane.Path) error {
	plane, err := k.opened(), error(nil)
	if plane == nil && len(paths) > 0 {
		plane, err = k.open()
	}
	if plane == nil {
		return err
	}
	return plane.SetPaths(ctx, paths)
}

// Look implements [dataplane.Looker].
func (k *kernel) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	plane, err := k.open()
	if err != nil {
		return dataplane.ServiceStatus{}, err
	}
	return plane.Look(ctx, id)
}

// Alone is that of IPVS.
func (k *kernel) Alone(ctx context.Context, id dataplane.ServiceID) (bool, error) {
	plane, err := k.open()
	if err != nil {
		return false, err
	}
	return plane.Alone(ctx, id)
}

// Close implements [dataplane.Dataplane].
func (k *kernel) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.work.Wait()
	if plane := k.opened(); plane != nil {
		return plane.Close()
	}
	return nil
}

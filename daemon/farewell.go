package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A desk is not taken out of the kernel as soon as a real server is back: those
// who are with it, or on their way, would be left without an answer. It stays
// with weight 0 until it has been alone for a moment.
const (
	alone = time.Second // in which handshakes that have begun are over
	// longest is for how long a desk stays at the most: the sorry server itself
	// lets nobody stay longer. shortest is that for persistent services, which
	// bring their clients back to a desk with weight 0.
	longest, shortest = 40 * time.Second, 3 * time.Second
	glance            = 100 * time.Millisecond
)

// A farewell is a desk that stays for those who are with it.
type farewell struct {
	desk *desk
	want dataplane.VirtualService // without the desk
	over chan struct{}            // closed when it is to be forgotten
}

// part returns w with the desk that has no work any more, if there is one, and
// has it leave by itself.
func (d *desks) part(id dataplane.ServiceID, w dataplane.VirtualService, standing bool) dataplane.VirtualService {
	f := d.leaving[id]
	if f == nil && (standing || !d.at[id] || id.Protocol == dataplane.UDP) {
		return w
	}
	if standing {
		d.forget(id)
		return w
	}
	if f == nil {
		f = &farewell{desk: d.open[id], over: make(chan struct{})}
		d.leaving[id] = f
		d.wg.Go(func() { d.wait(id, f, time.Now()) })
	}
	f.want = w.Clone()
	return f.desk.with(w)
}

// with is w with the desk, which gets nobody any more.
func (k *desk) with(w dataplane.VirtualService) dataplane.VirtualService {
	r := k.real
	r.Weight = 0
	if !slices.ContainsFunc(w.RealServers, func(o dataplane.RealServer) bool { return o.Addr == r.Addr }) {
		w.RealServers = append(w.RealServers, r)
	}
	return w
}

// forget ends a farewell without an effect.
func (d *desks) forget(id dataplane.ServiceID) {
	if f := d.leaving[id]; f != nil {
		close(f.over)
		delete(d.leaving, id)
	}
}

// wait takes the desk out once it has been alone for a moment.
func (d *desks) wait(id dataplane.ServiceID, f *farewell, began time.Time) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-f.over:
			return
		case <-tick.C:
		}
		if since, nobody := f.desk.idle(); (nobody && time.Since(since) > alone && time.Since(began) > alone || d.late(f, began)) && d.goes(id, f) {
			return
		}
	}
}

// late reports whether a desk has stayed for as long as it may.
func (d *desks) late(f *farewell, began time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := longest
	if f.want.Persistent > 0 {
		limit = shortest
	}
	return time.Since(began) > limit
}

// goes takes a desk out of the kernel, and reports whether that is over.
func (d *desks) goes(id dataplane.ServiceID, f *farewell) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving[id] != f {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	if err := d.kernelPlane.Apply(ctx, f.want); err != nil {
		d.log.Warn("sorry server stays in the kernel for now", "service", id.String(), "err", err)
		return false
	}
	d.applied[id] = f.want
	delete(d.at, id)
	delete(d.leaving, id)
	return true
}

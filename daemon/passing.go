package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// passingPeriod is between two looks whether there are such connections.
const passingPeriod = 5 * time.Second

// A passing is a service that was retired: the kernel has connections that it
// passes on to this host, and drops their packets while the service is there
// without a real server for them. Where the service is taken in again, that one
// stays with weight 0 until the kernel knows of no such connection.
type passing struct {
	leaves bool          // the service is there again
	over   chan struct{} // closed when it is to be forgotten
}

// pass begins with a service that is retired.
func (d *desks) pass(id dataplane.ServiceID) {
	d.forgetPassing(id)
	d.passed[id] = &passing{over: make(chan struct{})}
}

// forgetPassing ends a wait without an effect.
func (d *desks) forgetPassing(id dataplane.ServiceID) {
	if p := d.passed[id]; p != nil {
		close(p.over)
		delete(d.passed, id)
	}
}

// passOn returns w with the real server for connections that are passed on, and
// has it leave by itself.
func (d *desks) passOn(id dataplane.ServiceID, w dataplane.VirtualService) dataplane.VirtualService {
	p := d.passed[id]
	if p == nil || w.Scheduler == "dh" { // which refuses who is hashed to weight 0
		return w
	}
	if !p.leaves {
		p.leaves = true
		d.wg.Go(func() { d.watchPassing(id, p) })
	}
	here := dataplane.RealServer{Addr: local(id), Forward: dataplane.Gate}
	if !slices.ContainsFunc(w.RealServers, func(r dataplane.RealServer) bool { return r.Addr == here.Addr }) {
		w.RealServers = append(w.RealServers, here)
	}
	return w
}

// watchPassing waits until there are no such connections any more.
func (d *desks) watchPassing(id dataplane.ServiceID, p *passing) {
	tick := time.NewTicker(passingPeriod)
	defer tick.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-tick.C:
		}
		if d.passedAll(id, p) {
			return
		}
	}
}

// passedAll takes the real server out if there is no such connection any more,
// and reports whether that is over.
func (d *desks) passedAll(id dataplane.ServiceID, p *passing) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed[id] != p {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshake)
	defer cancel()
	st, err := d.kernelPlane.Status(ctx, id)
	here := slices.IndexFunc(st.Servers, func(s dataplane.ServerStatus) bool { return s.Addr == local(id) })
	if err != nil || here >= 0 && st.Servers[here].Active+st.Servers[here].Inactive > 0 {
		return false
	}
	w := withoutServer(d.applied[id], local(id))
	if err := d.kernelPlane.Apply(ctx, w); err != nil {
		return false
	}
	d.applied[id] = w
	if f := d.leaving[id]; f != nil {
		f.want = withoutServer(f.want, local(id))
	}
	delete(d.passed, id)
	return true
}

// withoutServer is v without the real server at addr, if that gets nobody new.
func withoutServer(v dataplane.VirtualService, addr netip.AddrPort) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers = slices.DeleteFunc(v.RealServers, func(r dataplane.RealServer) bool { return r.Addr == addr && r.Weight == 0 })
	return v
}

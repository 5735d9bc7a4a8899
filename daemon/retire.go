package daemon

import (
	"context"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

var (
	_ retirer = (*desks)(nil)
	_ taker   = (*desks)(nil)
)

// retire implements retirer. The kernel gives packets to a gate real server on
// the loopback address to whoever listens for the service itself, and leaves
// them as they are.
func (d *desks) retire(ctx context.Context, id dataplane.ServiceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.applied[id]
	if !ok {
		return nil
	}
	d.forget(id)
	was, err := d.kernelPlane.Status(ctx, id)
	if err != nil {
		return err
	}
	d.retired[id] = counted(was, local(id))
	w = w.Clone()
	for i := range w.RealServers {
		w.RealServers[i].Weight = 0
	}
	if w.Scheduler == "dh" { // refuses who is hashed to weight 0
		w.Scheduler, w.SchedFlags = "rr", nil
	}
	here := local(id)
	w.RealServers = slices.DeleteFunc(w.RealServers, func(r dataplane.RealServer) bool { return r.Addr == here })
	w.RealServers = append(w.RealServers, dataplane.RealServer{Addr: here, Forward: dataplane.Gate, Weight: 1})
	d.pass(id)
	return d.kernelPlane.Apply(ctx, w)
}

// counted is what a service has counted for one address.
func counted(st dataplane.ServiceStatus, addr netip.AddrPort) dataplane.Counters {
	for _, s := range slices.Concat(st.Servers, st.Left) {
		if s.Addr == addr {
			return s.Counters
		}
	}
	return dataplane.Counters{}
}

// once takes from st what was counted for addr since before: the dataplane that
// got those connections has counted them, too.
func once(st *dataplane.ServiceStatus, addr netip.AddrPort, before dataplane.Counters) {
	for i := range st.Servers {
		s := &st.Servers[i]
		if s.Addr != addr {
			continue
		}
		st.Counters.Connections -= s.Counters.Connections - before.Connections
		st.Counters.InPackets -= s.Counters.InPackets - before.InPackets
		st.Counters.OutPackets -= s.Counters.OutPackets - before.OutPackets
		st.Counters.InBytes -= s.Counters.InBytes - before.InBytes
		st.Counters.OutBytes -= s.Counters.OutBytes - before.OutBytes
		s.Counters, s.Active, s.Inactive = before, 0, 0
	}
}

// local is where the kernel delivers packets for a service on this host.
func local(id dataplane.ServiceID) netip.AddrPort {
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if id.Addr.Addr().Is6() {
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, id.Addr.Port())
}

// busy implements retirer.
func (d *desks) busy(ctx context.Context, id dataplane.ServiceID) (n int, err error) {
	st, err := d.kernelPlane.Status(ctx, id)
	if err != nil {
		return 0, err
	}
	drops, err := d.drops(ctx, id)
	for _, s := range st.Servers {
		if s.Addr != local(id) || drops {
			n += s.Active
		}
	}
	return n, err
}

// drops reports whether the kernel drops packets of connections that it passed
// on to this host, when their service is gone.
func (d *desks) drops(ctx context.Context, id dataplane.ServiceID) (bool, error) {
	if expire, err := sysctl.System.Get("net.ipv4.vs.expire_nodest_conn"); err != nil || expire != "0" {
		return false, err
	}
	alone, err := d.Alone(ctx, id)
	return !alone, err
}

// yield gives the address of the service itself back, on which a desk may
// listen.
func (d *desks) yield(id dataplane.ServiceID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.open[id]; k != nil && k.asked == id.Addr {
		d.shut(id)
	}
}

package daemon

import (
	"context"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/daemon/internal/mux"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

var (
	_ mux.Interceptor  = (*sorryListeners)(nil)
	_ mux.Dropper      = (*sorryListeners)(nil)
	_ mux.AddrReleaser = (*sorryListeners)(nil)
)

// HandOver implements [mux.Interceptor]. The kernel delivers the packets of a gate real
// server on the loopback address, unchanged, to the listener of the service on
// this host.
func (ls *sorryListeners) HandOver(ctx context.Context, id dataplane.ServiceID) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	w, ok := ls.applied[id]
	if !ok {
		return nil
	}
	ls.stopDraining(id)
	before, err := ls.kernelPlane.Look(ctx, id)
	if err != nil {
		return err
	}
	ls.handedOver[id] = countersOf(before, localAddr(id))
	w = w.Clone()
	for i := range w.RealServers {
		w.RealServers[i].Weight = 0
	}
	if w.Scheduler == "dh" { // refuses clients that are hashed to weight 0
		w.Scheduler, w.SchedFlags = "rr", nil
	}
	here := localAddr(id)
	w.RealServers = slices.DeleteFunc(w.RealServers, func(r dataplane.RealServer) bool { return r.Addr == here })
	w.RealServers = append(w.RealServers, dataplane.RealServer{Addr: here, Forward: dataplane.Gate, Weight: 1})
	ls.addLocalNode(id)
	return ls.kernelPlane.Apply(ctx, w)
}

// countersOf returns the counters of the real server at addr.
func countersOf(st dataplane.ServiceStatus, addr netip.AddrPort) dataplane.Counters {
	for _, s := range slices.Concat(st.Servers, st.Left) {
		if s.Addr == addr {
			return s.Counters
		}
	}
	return dataplane.Counters{}
}

// resetCounters sets the counters of the real server at addr back to before, and
// subtracts the difference from those of the service: the dataplane that got the
// connections counts them, too.
func resetCounters(st *dataplane.ServiceStatus, addr netip.AddrPort, before dataplane.Counters) {
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

// Depending implements [mux.Interceptor].
func (ls *sorryListeners) Depending(ctx context.Context, id dataplane.ServiceID) (n int, err error) {
	st, err := ls.kernelPlane.Look(ctx, id)
	if err != nil {
		return 0, err
	}
	drops, err := ls.dropsOrphans(ctx, id)
	for _, s := range st.Servers {
		if s.Addr != localAddr(id) || drops {
			n += s.Active
		}
	}
	return n, err
}

// expireNodest is the setting by which connections to a real server that has gone end.
const expireNodest = "net.ipv4.vs.expire_nodest_conn"

// keepsOrphans reports whether the kernel keeps connections to a real server that has
// gone, and drops their packets.
func keepsOrphans() (bool, error) {
	expire, err := sysctl.System.Get(expireNodest)
	return err == nil && expire == "0", err
}

// dropsOrphans reports whether the kernel drops the packets of connections that
// it delivers on this host once their service is gone.
func (ls *sorryListeners) dropsOrphans(ctx context.Context, id dataplane.ServiceID) (bool, error) {
	if keeps, err := keepsOrphans(); err != nil || !keeps {
		return false, err
	}
	alone, err := ls.Alone(ctx, id)
	return !alone, err
}

// ReleaseAddr stops listening on the address of the service itself, if a sorry
// listener does, so that another dataplane can.
func (ls *sorryListeners) ReleaseAddr(id dataplane.ServiceID) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.open[id]; l != nil && l.asked == id.Addr {
		ls.closeListener(id)
	}
}

package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/daemon/internal/mux"
	"github.com/shunt-lb/shunt/dataplane"
)

// localNodePeriod is the time between two looks whether a local node is idle.
const localNodePeriod = 5 * time.Second

// A localNode is this host as a real server of a service that was handed over:
// the kernel has connections that it delivers here, and drops their packets if
// the service is there without that real server. When the service is applied
// again the local node stays with weight 0 until it has no connection.
type localNode struct {
	leaving bool          // the service was applied again
	stop    chan struct{} // closed when it need not be watched any more
}

// localAddr returns the address at which the kernel delivers the packets of a
// service on this host.
func localAddr(id dataplane.ServiceID) netip.AddrPort {
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if id.Addr.Addr().Is6() {
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, id.Addr.Port())
}

// addLocalNode notes that a service has a local node.
func (ls *sorryListeners) addLocalNode(id dataplane.ServiceID) {
	ls.forgetLocalNode(id)
	ls.localNodes[id] = &localNode{stop: make(chan struct{})}
}

// forgetLocalNode ends the watch on a local node and leaves the kernel as it is.
func (ls *sorryListeners) forgetLocalNode(id dataplane.ServiceID) {
	if n := ls.localNodes[id]; n != nil {
		close(n.stop)
		delete(ls.localNodes, id)
	}
}

// withLocalNode returns w with the service's local node, if it has one, and
// removes that later.
func (ls *sorryListeners) withLocalNode(id dataplane.ServiceID, w dataplane.VirtualService) dataplane.VirtualService {
	n := ls.localNodes[id]
	if n == nil || w.Scheduler == "dh" { // dh refuses clients that are hashed to weight 0
		return w
	}
	if !n.leaving {
		n.leaving = true
		ls.wg.Go(func() { ls.watchLocalNode(id, n) })
	}
	here := dataplane.RealServer{Addr: localAddr(id), Forward: dataplane.Gate}
	if !slices.ContainsFunc(w.RealServers, func(r dataplane.RealServer) bool { return r.Addr == here.Addr }) {
		w.RealServers = append(w.RealServers, here)
	}
	return w
}

// watchLocalNode waits until a local node is idle and was removed.
func (ls *sorryListeners) watchLocalNode(id dataplane.ServiceID, n *localNode) {
	tick := time.NewTicker(localNodePeriod)
	defer tick.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
		if ls.removeIdle(id, n) {
			return
		}
	}
}

// removeIdle removes a local node from the kernel if it has no connection. It
// returns false if that has to be tried again.
func (ls *sorryListeners) removeIdle(id dataplane.ServiceID, n *localNode) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.localNodes[id] != n {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), mux.Handshake)
	defer cancel()
	st, err := ls.kernelPlane.Look(ctx, id)
	here := slices.IndexFunc(st.Servers, func(s dataplane.ServerStatus) bool { return s.Addr == localAddr(id) })
	if err != nil || here >= 0 && st.Servers[here].Active+st.Servers[here].Inactive > 0 {
		return false
	}
	w := withoutServer(ls.applied[id], localAddr(id))
	if err := ls.kernelPlane.Apply(ctx, w); err != nil {
		return false
	}
	ls.applied[id] = w
	if dr := ls.draining[id]; dr != nil {
		dr.want = withoutServer(dr.want, localAddr(id))
	}
	delete(ls.localNodes, id)
	return true
}

// withoutServer returns v without the real server at addr, if its weight is 0.
func withoutServer(v dataplane.VirtualService, addr netip.AddrPort) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers = slices.DeleteFunc(v.RealServers, func(r dataplane.RealServer) bool { return r.Addr == addr && r.Weight == 0 })
	return v
}

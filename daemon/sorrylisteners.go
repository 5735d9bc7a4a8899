package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// sorryListeners put the built-in sorry server behind virtual services of the
// kernel. The kernel knows only real servers, so a listener accepts connections
// on a local address and the kernel gets that address as a real server.
//
// A sorry server without an address gets a listener on a port of its own and is
// a masq real server, which works without ip_forward and for firewall marks. A
// loopback address is how people write it, as fallback=127.0.0.1:80 gate: the
// kernel delivers packets for the VIP locally, so the listener is on the VIP,
// unless another program listens there already. The same holds for a fallback
// that is the VIP itself.
type sorryListeners struct {
	kernelPlane
	responder proxy.Responder
	log       *slog.Logger
	wg        sync.WaitGroup

	mu         sync.Mutex
	applied    map[dataplane.ServiceID]dataplane.VirtualService // to the kernel, last
	open       map[dataplane.ServiceID]*sorryListener
	inKernel   map[dataplane.ServiceID]bool // the kernel has the listener as a real server
	draining   map[dataplane.ServiceID]*draining
	handedOver map[dataplane.ServiceID]dataplane.Counters // to another dataplane; the local node's counters before that
	localNodes map[dataplane.ServiceID]*localNode
	former     map[dataplane.ServiceID][]netip.AddrPort         // addresses that listeners have had
	unpersist  map[dataplane.ServiceID]dataplane.VirtualService // wanted with persistence, applied without
}

// A kernelPlane is the dataplane behind sorryListeners: IPVS.
type kernelPlane interface {
	dataplane.Dataplane
	dataplane.Finder
	dataplane.Auditor
	dataplane.Lister
	dataplane.Pather
	ApplyDropping(ctx context.Context, v dataplane.VirtualService) error
	dataplane.Looker
	Alone(ctx context.Context, id dataplane.ServiceID) (bool, error)
}

var _ kernelPlane = (*sorryListeners)(nil)

func newSorryListeners(k kernelPlane, r proxy.Responder, log *slog.Logger) *sorryListeners {
	return &sorryListeners{
		kernelPlane: k, responder: r, log: log,
		applied: map[dataplane.ServiceID]dataplane.VirtualService{}, open: map[dataplane.ServiceID]*sorryListener{},
		inKernel: map[dataplane.ServiceID]bool{}, draining: map[dataplane.ServiceID]*draining{},
		handedOver: map[dataplane.ServiceID]dataplane.Counters{}, localNodes: map[dataplane.ServiceID]*localNode{},
		former: map[dataplane.ServiceID][]netip.AddrPort{}, unpersist: map[dataplane.ServiceID]dataplane.VirtualService{},
	}
}

// Apply implements [dataplane.Dataplane].
func (ls *sorryListeners) Apply(ctx context.Context, v dataplane.VirtualService) error {
	return ls.apply(ctx, v, ls.kernelPlane.Apply)
}

// ApplyDropping implements [mux.Dropper].
func (ls *sorryListeners) ApplyDropping(ctx context.Context, v dataplane.VirtualService) error {
	return ls.apply(ctx, v, ls.kernelPlane.ApplyDropping)
}

// apply opens the listeners that v needs and applies it, with them, by kernel.
func (ls *sorryListeners) apply(ctx context.Context, v dataplane.VirtualService, kernel func(context.Context, dataplane.VirtualService) error) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	w, listening := ls.withoutPersistence(v), false
	for i := range w.RealServers {
		if r := &w.RealServers[i]; r.Sorry {
			if err := ls.listenFor(ctx, v.ID, r); err != nil {
				return &dataplane.OpError{Op: "open a sorry server for", Service: v.ID, Err: err}
			}
			listening = true
		}
	}
	w = ls.withDraining(v.ID, ls.withLocalNode(v.ID, w), listening)
	if listening && ls.open[v.ID] != nil {
		ls.inKernel[v.ID] = true
	}
	ls.applied[v.ID] = w
	delete(ls.handedOver, v.ID)
	return kernel(ctx, w)
}

// withoutPersistence returns a copy of v, without persistence if v is a firewall
// mark with a sorry listener: the kernel does not translate the port of a
// persistent client, and the listener has one port for all of them.
func (ls *sorryListeners) withoutPersistence(v dataplane.VirtualService) dataplane.VirtualService {
	w := v.Clone()
	delete(ls.unpersist, v.ID)
	sorry := func(r dataplane.RealServer) bool { return r.Sorry && !r.Addr.IsValid() }
	if v.ID.Protocol == dataplane.FWMark && v.Persistent > 0 && slices.ContainsFunc(v.RealServers, sorry) {
		ls.unpersist[v.ID] = v
		w.Persistent, w.PersistentBits = 0, 0
	}
	return w
}

// listenFor makes r, a sorry server, a real server that the kernel can reach.
func (ls *sorryListeners) listenFor(ctx context.Context, id dataplane.ServiceID, r *dataplane.RealServer) error {
	if !r.Addr.IsValid() {
		l, err := ls.ownListener(ctx, id)
		if err != nil {
			return err
		}
		*r = dataplane.RealServer{Addr: l.addr, Forward: dataplane.Masq, Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
		l.real = *r
		return nil
	}
	r.Sorry = false
	atVIP := r.Forward == dataplane.Gate && r.Addr.Addr().IsLoopback() || id.Catches(r.Addr)
	if !atVIP || id.Protocol == dataplane.FWMark || id.Addr.Port() == 0 {
		return nil
	}
	l, err := ls.listenerAt(ctx, id, id.Addr)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	if err == nil {
		l.real = *r
	}
	return err
}

// ownListener returns the listener of a service on a port of its own.
func (ls *sorryListeners) ownListener(ctx context.Context, id dataplane.ServiceID) (*sorryListener, error) {
	addr := id.Addr.Addr()
	if !addr.IsValid() {
		var err error
		if addr, err = hostAddr(id.IPv6); err != nil {
			return nil, err
		}
	}
	return ls.listenerAt(ctx, id, netip.AddrPortFrom(addr, 0))
}

// listenerAt returns the listener of a service on addr. It opens it if need be,
// and closes the one that the service had on another address.
func (ls *sorryListeners) listenerAt(ctx context.Context, id dataplane.ServiceID, addr netip.AddrPort) (*sorryListener, error) {
	if l := ls.open[id]; l != nil && l.asked == addr {
		return l, nil
	}
	l, err := openSorryListener(ctx, id, addr, ls.responder, ls.log)
	if err != nil {
		return nil, err
	}
	ls.closeListener(id)
	ls.open[id] = l
	if addr.Port() == 0 {
		ls.former[id] = append(ls.former[id], l.addr)
	}
	ls.log.Debug("sorry server listens", "service", id.String(), "addr", l.addr.String())
	return l, nil
}

func (ls *sorryListeners) closeListener(id dataplane.ServiceID) {
	ls.stopDraining(id)
	delete(ls.inKernel, id)
	if l := ls.open[id]; l != nil {
		l.close()
		delete(ls.open, id)
	}
}

// Remove implements [dataplane.Dataplane].
func (ls *sorryListeners) Remove(ctx context.Context, id dataplane.ServiceID) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	err := ls.kernelPlane.Remove(ctx, id)
	if err == nil {
		ls.closeListener(id)
		delete(ls.unpersist, id)
		delete(ls.former, id)
		delete(ls.applied, id)
		delete(ls.handedOver, id)
		if ls.localNodes[id] != nil {
			ls.addLocalNode(id) // the kernel still has its connections
		}
	}
	return err
}

// Snapshot implements [dataplane.Dataplane]. Listeners are shown as the sorry
// servers that were applied, and draining ones as real servers that have left.
func (ls *sorryListeners) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	all, err := ls.kernelPlane.Snapshot(ctx)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i := range all {
		ls.asApplied(&all[i])
	}
	return all, err
}

// Look implements [dataplane.Looker].
func (ls *sorryListeners) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	st, err := ls.kernelPlane.Look(ctx, id)
	holds := false
	if id.Protocol == dataplane.UDP {
		holds, _ = keepsOrphans() // else the move is tried
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.asApplied(&st); holds {
		st.Holds = expireNodest + " is 0: the kernel would drop the datagrams of its clients if it left; set it to 1, or managesysctl=yes"
	}
	return st, err
}

// asApplied shows a service of the kernel as it was applied here.
func (ls *sorryListeners) asApplied(st *dataplane.ServiceStatus) {
	id := st.Service.ID
	if v, ok := ls.unpersist[id]; ok && st.Service.Persistent == 0 {
		st.Service.Persistent, st.Service.PersistentBits = v.Persistent, v.PersistentBits
	}
	before, handedOver := ls.handedOver[id]
	if handedOver {
		resetCounters(st, localAddr(id), before)
	}
	if dr := ls.draining[id]; dr != nil {
		showAsLeft(st, dr.listener.real.Addr)
	}
	if ls.localNodes[id] != nil && !handedOver {
		showAsLeft(st, localAddr(id))
	}
	for _, list := range [][]dataplane.ServerStatus{st.Servers, st.Left} {
		for j := range list {
			list[j].RealServer = ls.sorryServer(id, list[j].RealServer)
		}
	}
	for j := range st.Service.RealServers {
		st.Service.RealServers[j] = ls.sorryServer(id, st.Service.RealServers[j])
	}
}

// showAsLeft shows the real server at addr, if it has weight 0, as one that has
// left.
func showAsLeft(st *dataplane.ServiceStatus, addr netip.AddrPort) {
	i := slices.IndexFunc(st.Servers, func(s dataplane.ServerStatus) bool { return s.Addr == addr && s.Weight == 0 })
	if i < 0 {
		return
	}
	st.Left = append(st.Left, st.Servers[i])
	st.Servers = slices.Delete(st.Servers, i, i+1)
	st.Service.RealServers = slices.DeleteFunc(st.Service.RealServers, func(r dataplane.RealServer) bool { return r.Addr == addr })
}

// sorryServer returns the sorry server that was applied if r is its listener,
// else r.
func (ls *sorryListeners) sorryServer(id dataplane.ServiceID, r dataplane.RealServer) dataplane.RealServer {
	if !slices.Contains(ls.former[id], r.Addr) {
		return r
	}
	return dataplane.RealServer{Sorry: true, Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
}

// Close implements [dataplane.Dataplane].
func (ls *sorryListeners) Close() error {
	err := ls.kernelPlane.Close()
	ls.mu.Lock()
	for id := range ls.open {
		ls.closeListener(id)
	}
	for id := range ls.localNodes {
		ls.forgetLocalNode(id)
	}
	ls.mu.Unlock()
	ls.wg.Wait()
	return err
}

// opened reports whether the kernel's dataplane is open: it may come late.
func (ls *sorryListeners) opened() bool {
	k, late := ls.kernelPlane.(*kernel)
	return !late || k.opened() != nil
}

// sorryLimits returns the reasons why no listener can answer for a service whose
// fallback is the sorry server.
func sorryLimits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	if v.Fallback == nil || !v.Fallback.Sorry {
		return nil
	}
	reason := ""
	switch {
	case s.OnePacket:
		reason = "with ops the kernel would not translate the answers of the sorry server back: name a fallback that is reached by gate or ipip, or use dataplane = proxy"
	case s.ID.Protocol != dataplane.FWMark && s.ID.Addr.Port() == 0:
		reason = "the sorry server has one port, and the kernel does not change the ports of a service on all of them: name a fallback with an address, or give the port a section of its own"
	default:
		return nil
	}
	return []*dataplane.Limit{{Directive: "fallback", Reason: reason}}
}

// withoutSorry returns v without the sorry servers whose addresses are known
// only when their listeners are open.
func withoutSorry(v dataplane.VirtualService) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers = slices.DeleteFunc(v.RealServers, func(r dataplane.RealServer) bool { return r.Sorry && !r.Addr.IsValid() })
	return v
}

// hostAddr returns an address of this host that packets can be sent to, for
// services that have none.
func hostAddr(six bool) (netip.Addr, error) {
	addrs, err := hostAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses of this host: %w", err)
	}
	for _, a := range addrs {
		if a.Is6() == six && a.IsGlobalUnicast() {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("this host has no address for a sorry server: give it one, on a dummy link if need be")
}

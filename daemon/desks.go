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

// desks put the built-in sorry server behind virtual services of the kernel,
// which knows real servers only: where one is to answer, a desk takes
// connections on a local address, and the kernel is told to send them there.
//
// A sorry server without an address gets a desk on a port of its own and is a
// masq real server, which works without ip_forward and for firewall marks. One
// with a loopback address is what people write as fallback=127.0.0.1:80 gate:
// the kernel delivers packets for the VIP locally, so its desk is on the VIP,
// unless somebody else listens there already. So it is with the VIP itself.
type desks struct {
	kernelPlane
	responder proxy.Responder
	log       *slog.Logger
	wg        sync.WaitGroup

	mu      sync.Mutex
	applied map[dataplane.ServiceID]dataplane.VirtualService // what the kernel was asked for last
	open    map[dataplane.ServiceID]*desk
	at      map[dataplane.ServiceID]bool // the kernel has the desk
	leaving map[dataplane.ServiceID]*farewell
	retired map[dataplane.ServiceID]dataplane.Counters // with what the local real server had counted before
	passed  map[dataplane.ServiceID]*passing
	former  map[dataplane.ServiceID][]netip.AddrPort         // where desks have been
	loose   map[dataplane.ServiceID]dataplane.VirtualService // asked for with persistence, served without
}

// A kernelPlane is what desks stand in front of: IPVS.
type kernelPlane interface {
	dataplane.Dataplane
	dataplane.Finder
	dataplane.Auditor
	TakeFromHost(ctx context.Context, v dataplane.VirtualService) error
	Status(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error)
	Alone(ctx context.Context, id dataplane.ServiceID) (bool, error)
}

var _ kernelPlane = (*desks)(nil)

func newDesks(k kernelPlane, r proxy.Responder, log *slog.Logger) *desks {
	return &desks{
		kernelPlane: k, responder: r, log: log,
		applied: map[dataplane.ServiceID]dataplane.VirtualService{}, open: map[dataplane.ServiceID]*desk{},
		at: map[dataplane.ServiceID]bool{}, leaving: map[dataplane.ServiceID]*farewell{},
		retired: map[dataplane.ServiceID]dataplane.Counters{}, passed: map[dataplane.ServiceID]*passing{},
		former: map[dataplane.ServiceID][]netip.AddrPort{}, loose: map[dataplane.ServiceID]dataplane.VirtualService{},
	}
}

// Apply implements [dataplane.Dataplane].
func (d *desks) Apply(ctx context.Context, v dataplane.VirtualService) error {
	return d.apply(ctx, v, d.kernelPlane.Apply)
}

// takeFromHost implements taker.
func (d *desks) takeFromHost(ctx context.Context, v dataplane.VirtualService) error {
	return d.apply(ctx, v, d.TakeFromHost)
}

// apply has the kernel asked for what v comes to with desks.
func (d *desks) apply(ctx context.Context, v dataplane.VirtualService, kernel func(context.Context, dataplane.VirtualService) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, standing := d.loosen(v), false
	for i := range w.RealServers {
		if r := &w.RealServers[i]; r.Sorry {
			if err := d.stand(ctx, v.ID, r); err != nil {
				return &dataplane.OpError{Op: "open a sorry server for", Service: v.ID, Err: err}
			}
			standing = true
		}
	}
	w = d.part(v.ID, d.passOn(v.ID, w), standing)
	if standing && d.open[v.ID] != nil {
		d.at[v.ID] = true
	}
	d.applied[v.ID] = w
	delete(d.retired, v.ID)
	return kernel(ctx, w)
}

// loosen takes persistence from a firewall mark whose connections are for a
// desk: the kernel does not change the port of a client that it pins, and the
// desk has one port for all of them.
func (d *desks) loosen(v dataplane.VirtualService) dataplane.VirtualService {
	w := v.Clone()
	delete(d.loose, v.ID)
	atDesk := func(r dataplane.RealServer) bool { return r.Sorry && !r.Addr.IsValid() }
	if v.ID.Protocol == dataplane.FWMark && v.Persistent > 0 && slices.ContainsFunc(v.RealServers, atDesk) {
		d.loose[v.ID] = v
		w.Persistent, w.PersistentBits = 0, 0
	}
	return w
}

// stand makes r a real server that the kernel can reach.
func (d *desks) stand(ctx context.Context, id dataplane.ServiceID, r *dataplane.RealServer) error {
	if !r.Addr.IsValid() {
		k, err := d.desk(ctx, id)
		if err != nil {
			return err
		}
		*r = dataplane.RealServer{Addr: k.addr, Forward: dataplane.Masq, Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
		k.real = *r
		return nil
	}
	r.Sorry = false
	atVIP := r.Forward == dataplane.Gate && r.Addr.Addr().IsLoopback() || id.Catches(r.Addr)
	if !atVIP || id.Protocol == dataplane.FWMark || id.Addr.Port() == 0 {
		return nil
	}
	k, err := d.deskAt(ctx, id, id.Addr)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	if err == nil {
		k.real = *r
	}
	return err
}

// desk is the desk of a service on a port of its own.
func (d *desks) desk(ctx context.Context, id dataplane.ServiceID) (*desk, error) {
	addr := id.Addr.Addr()
	if !addr.IsValid() {
		var err error
		if addr, err = localAddr(id.IPv6); err != nil {
			return nil, err
		}
	}
	return d.deskAt(ctx, id, netip.AddrPortFrom(addr, 0))
}

// deskAt opens the desk of a service, once.
func (d *desks) deskAt(ctx context.Context, id dataplane.ServiceID, addr netip.AddrPort) (*desk, error) {
	if k := d.open[id]; k != nil && k.asked == addr {
		return k, nil
	}
	k, err := openDesk(ctx, id, addr, d.responder, d.log)
	if err != nil {
		return nil, err
	}
	d.shut(id)
	d.open[id] = k
	if addr.Port() == 0 {
		d.former[id] = append(d.former[id], k.addr)
	}
	d.log.Debug("sorry server listens", "service", id.String(), "addr", k.addr.String())
	return k, nil
}

func (d *desks) shut(id dataplane.ServiceID) {
	d.forget(id)
	delete(d.at, id)
	if k := d.open[id]; k != nil {
		k.close()
		delete(d.open, id)
	}
}

// Remove implements [dataplane.Dataplane].
func (d *desks) Remove(ctx context.Context, id dataplane.ServiceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.kernelPlane.Remove(ctx, id)
	if err == nil {
		d.shut(id)
		delete(d.loose, id)
		delete(d.former, id)
		delete(d.applied, id)
		delete(d.retired, id)
		if d.passed[id] != nil {
			d.pass(id) // the kernel remembers its connections
		}
	}
	return err
}

// Snapshot implements [dataplane.Dataplane]. Desks are shown as what was asked
// for, and those that stay for a while only as having left.
func (d *desks) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	all, err := d.kernelPlane.Snapshot(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range all {
		d.present(&all[i])
	}
	return all, err
}

// Status is Snapshot for one service.
func (d *desks) Status(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	st, err := d.kernelPlane.Status(ctx, id)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.present(&st)
	return st, err
}

func (d *desks) present(st *dataplane.ServiceStatus) {
	id := st.Service.ID
	if v, loose := d.loose[id]; loose && st.Service.Persistent == 0 {
		st.Service.Persistent, st.Service.PersistentBits = v.Persistent, v.PersistentBits
	}
	if before, retired := d.retired[id]; retired {
		once(st, local(id), before)
	}
	if f := d.leaving[id]; f != nil {
		hide(st, f.desk.real.Addr)
	}
	if _, retired := d.retired[id]; d.passed[id] != nil && !retired {
		hide(st, local(id))
	}
	for _, list := range [][]dataplane.ServerStatus{st.Servers, st.Left} {
		for j := range list {
			list[j].RealServer = d.unmask(id, list[j].RealServer)
		}
	}
	for j := range st.Service.RealServers {
		st.Service.RealServers[j] = d.unmask(id, st.Service.RealServers[j])
	}
}

// hide shows a real server with weight 0 as one that has left.
func hide(st *dataplane.ServiceStatus, addr netip.AddrPort) {
	i := slices.IndexFunc(st.Servers, func(s dataplane.ServerStatus) bool { return s.Addr == addr && s.Weight == 0 })
	if i < 0 {
		return
	}
	st.Left = append(st.Left, st.Servers[i])
	st.Servers = slices.Delete(st.Servers, i, i+1)
	st.Service.RealServers = slices.DeleteFunc(st.Service.RealServers, func(r dataplane.RealServer) bool { return r.Addr == addr })
}

// unmask is the sorry server that was asked for, if r is a desk that stands
// for it.
func (d *desks) unmask(id dataplane.ServiceID, r dataplane.RealServer) dataplane.RealServer {
	if !slices.Contains(d.former[id], r.Addr) {
		return r
	}
	return dataplane.RealServer{Sorry: true, Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
}

// Close implements [dataplane.Dataplane].
func (d *desks) Close() error {
	err := d.kernelPlane.Close()
	d.mu.Lock()
	for id := range d.open {
		d.shut(id)
	}
	for id := range d.passed {
		d.forgetPassing(id)
	}
	d.mu.Unlock()
	d.wg.Wait()
	return err
}

// deskLimits says why no desk can answer for a service that has one for its
// fallback.
func deskLimits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
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

// withoutDesk is v as the kernel will be asked for it, as far as that can be
// known beforehand.
func withoutDesk(v dataplane.VirtualService) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers = slices.DeleteFunc(v.RealServers, func(r dataplane.RealServer) bool { return r.Sorry && !r.Addr.IsValid() })
	return v
}

// localAddr is an address of this host that packets can be sent to, for
// services that have none.
func localAddr(six bool) (netip.Addr, error) {
	prefixes, err := hostPrefixes()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses of this host: %w", err)
	}
	for _, a := range prefixes {
		if a.Is6() == six && a.IsGlobalUnicast() {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("this host has no address for a sorry server: give it one, on a dummy link if need be")
}

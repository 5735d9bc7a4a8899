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

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
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
// unless somebody else listens there already.
type desks struct {
	*ipvs.Dataplane
	responder proxy.Responder
	log       *slog.Logger

	mu    sync.Mutex
	open  map[dataplane.ServiceID]*desk
	loose map[dataplane.ServiceID]dataplane.VirtualService // asked for with persistence, served without
}

var _ dataplane.Finder = (*desks)(nil)

func newDesks(k *ipvs.Dataplane, r proxy.Responder, log *slog.Logger) *desks {
	return &desks{Dataplane: k, responder: r, log: log, open: map[dataplane.ServiceID]*desk{}, loose: map[dataplane.ServiceID]dataplane.VirtualService{}}
}

// Apply implements [dataplane.Dataplane].
func (d *desks) Apply(ctx context.Context, v dataplane.VirtualService) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.loosen(v)
	for i := range w.RealServers {
		if r := &w.RealServers[i]; r.Sorry {
			if err := d.stand(ctx, v.ID, r); err != nil {
				return &dataplane.OpError{Op: "open a sorry server for", Service: v.ID, Err: err}
			}
		}
	}
	return d.Dataplane.Apply(ctx, w)
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
		return nil
	}
	r.Sorry = false
	if r.Forward != dataplane.Gate || !r.Addr.Addr().IsLoopback() || id.Protocol == dataplane.FWMark {
		return nil
	}
	if _, err := d.deskAt(ctx, id, id.Addr); err != nil && !errors.Is(err, unix.EADDRINUSE) {
		return err
	}
	return nil
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
	d.log.Debug("sorry server listens", "service", id.String(), "addr", k.addr.String())
	return k, nil
}

func (d *desks) shut(id dataplane.ServiceID) {
	if k := d.open[id]; k != nil {
		k.close()
		delete(d.open, id)
	}
}

// Remove implements [dataplane.Dataplane].
func (d *desks) Remove(ctx context.Context, id dataplane.ServiceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.Dataplane.Remove(ctx, id)
	if err == nil {
		d.shut(id)
		delete(d.loose, id)
	}
	return err
}

// Snapshot implements [dataplane.Dataplane]. Desks are shown as what was asked
// for.
func (d *desks) Snapshot(ctx context.Context) ([]dataplane.ServiceStatus, error) {
	all, err := d.Dataplane.Snapshot(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range all {
		if v, loose := d.loose[all[i].Service.ID]; loose && all[i].Service.Persistent == 0 {
			all[i].Service.Persistent, all[i].Service.PersistentBits = v.Persistent, v.PersistentBits
		}
		k := d.open[all[i].Service.ID]
		if k == nil || k.asked.Port() != 0 {
			continue
		}
		for j := range all[i].Servers {
			all[i].Servers[j].RealServer = k.unmask(all[i].Servers[j].RealServer)
		}
		for j := range all[i].Service.RealServers {
			all[i].Service.RealServers[j] = k.unmask(all[i].Service.RealServers[j])
		}
	}
	return all, err
}

// unmask is the sorry server that was asked for, if r is the desk that stands
// for it.
func (k *desk) unmask(r dataplane.RealServer) dataplane.RealServer {
	if r.Addr != k.addr {
		return r
	}
	return dataplane.RealServer{Sorry: true, Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
}

// Close implements [dataplane.Dataplane].
func (d *desks) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.Dataplane.Close()
	for id := range d.open {
		d.shut(id)
	}
	return err
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

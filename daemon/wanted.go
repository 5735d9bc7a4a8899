package daemon

import (
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/host/returnpath"
	"github.com/shunt-lb/shunt/internal/host/vip"
)

// wantedAddresses returns the addresses that c wants on links, each once, in order.
// Firewall marks have none, and loopback addresses are on lo already.
func wantedAddresses(c *config.Config) []vip.Address {
	var all []vip.Address
	for i := range c.Virtuals {
		v := &c.Virtuals[i]
		addr := v.ID.Addr.Addr()
		if v.Interface == "" || v.ID.Protocol == dataplane.FWMark || addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() {
			continue
		}
		all = append(all, vip.Address{Addr: addr, Link: v.Interface})
	}
	slices.SortFunc(all, vip.Address.Compare)
	return slices.Compact(all)
}

// wantedAnswers returns the answers that have to come back for the transparent
// services of c, each once, in order; def is the default dataplane.
// Services that are forwarded in the kernel need none.
func wantedAnswers(c *config.Config, def string) []returnpath.Answer {
	var all []returnpath.Answer
	for i := range c.Virtuals {
		v := &c.Virtuals[i]
		if !v.Transparent || dataplaneOf(v, def).inKernel {
			continue
		}
		for _, r := range director.Everything(v).RealServers {
			if a := r.Addr.Addr(); a.IsValid() && r.Addr.Port() != 0 {
				from := netip.AddrPortFrom(a.Unmap().WithZone(""), r.Addr.Port())
				all = append(all, returnpath.Answer{UDP: v.ID.Protocol == dataplane.UDP, From: from})
			}
		}
	}
	slices.SortFunc(all, returnpath.Answer.Compare)
	return slices.Compact(all)
}

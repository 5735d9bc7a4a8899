package vip

import (
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// Wanted returns the addresses that c wants on links, each once, in order.
// Firewall marks have none, and those of the loopback network belong where
// they are.
func Wanted(c *config.Config) []Address {
	var all []Address
	for i := range c.Virtuals {
		v := &c.Virtuals[i]
		addr := v.ID.Addr.Addr()
		if v.Interface == "" || v.ID.Protocol == dataplane.FWMark || addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() {
			continue
		}
		all = append(all, Address{Addr: addr, Link: v.Interface})
	}
	slices.SortFunc(all, Address.Compare)
	return slices.Compact(all)
}

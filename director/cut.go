package director

import (
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// cut names the servers whose connections are to end because checks have found
// them down, sorted. What the service is to use is none of them, whatever
// another entry of the section says about the same address.
func (sv *service) cut(wanted []dataplane.RealServer) []netip.AddrPort {
	if sv.conf.OnDown != "cut" {
		return nil
	}
	spared := map[netip.AddrPort]bool{}
	for _, r := range wanted {
		spared[r.Addr] = r.Weight > 0
	}
	for _, s := range sv.servers {
		spared[s.addr] = spared[s.addr] || s.state() == Up
	}
	var cut []netip.AddrPort
	for _, s := range sv.servers {
		if s.foundDown() && !spared[s.addr] {
			cut = append(cut, s.addr)
		}
	}
	return sorted(cut)
}

func sorted(addrs []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return slices.Compact(addrs)
}

// all names every server that could ever be cut.
func (sv *service) all() []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range sv.servers {
		all = append(all, s.addr)
	}
	return sorted(all)
}

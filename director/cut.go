package director

import (
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// cut returns the servers whose connections are to end because checks have found
// them down, sorted. A server that the service uses is none of them, also if
// another entry with its address is down.
func (sv *service) cut(wanted []dataplane.RealServer) []netip.AddrPort {
	if sv.conf.OnDown != "cut" {
		return nil
	}
	spared := map[netip.AddrPort]bool{}
	for _, r := range wanted {
		spared[r.Addr] = r.Weight > 0
	}
	for _, s := range sv.servers {
		spared[s.addr] = spared[s.addr] || s.inUse()
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

// all returns every server that could ever be cut.
func (sv *service) all() []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range sv.servers {
		all = append(all, s.addr)
	}
	return sorted(all)
}

package director

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// absent are the real servers without new connections that somebody else has
// removed, and that are not added again: what readdquiescent=no says. One that is
// to have clients comes back, and so do all with a start or a reload.
type absent struct {
	readd bool
	gone  map[dataplane.ServiceID]map[netip.AddrPort]bool
}

// without is v as far as it is to be there. What is to have clients is absent no
// longer.
func (a *absent) without(v dataplane.VirtualService) dataplane.VirtualService {
	gone := a.gone[v.ID]
	if len(gone) == 0 {
		return v
	}
	there := make([]dataplane.RealServer, 0, len(v.RealServers))
	for _, r := range v.RealServers {
		if r.Weight > 0 {
			delete(gone, r.Addr)
		}
		if !gone[r.Addr] {
			there = append(there, r)
		}
	}
	v.RealServers = there
	return v
}

// take takes in which servers of want are missing, and returns those that are
// left so.
func (a *absent) take(want dataplane.VirtualService, missing []netip.AddrPort) (left []string) {
	if a.readd {
		return nil
	}
	for _, r := range want.RealServers {
		if r.Weight > 0 || !slices.Contains(missing, r.Addr) {
			continue
		}
		if a.gone[want.ID] == nil {
			a.gone[want.ID] = map[netip.AddrPort]bool{}
		}
		a.gone[want.ID][r.Addr] = true
		left = append(left, r.Addr.String())
	}
	return left
}

// quiescent begins anew, with readdquiescent as it is: what is absent is added
// again.
func (a *applier) quiescent(readd bool) {
	a.carry(func() {
		a.absent.readd = readd
		for id := range a.absent.gone {
			delete(a.absent.gone, id)
			if want, ours := a.served[id]; ours && a.retry[id] == nil {
				a.retry[id] = &retry{wish: wish{want: &want}, at: time.Now(), delay: retryFirst / 2}
			}
		}
	})
}

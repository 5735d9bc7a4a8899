package applier

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A quiescent holds the real servers without new connections that somebody else
// has removed. With readdquiescent=no they are not added again, except one that
// gets a weight, and all of them with a start or a reload.
type quiescent struct {
	readd   bool
	removed map[dataplane.ServiceID]map[netip.AddrPort]bool
}

// filter returns v without the servers that were removed. It forgets those that
// have a weight.
func (q *quiescent) filter(v dataplane.VirtualService) dataplane.VirtualService {
	removed := q.removed[v.ID]
	if len(removed) == 0 {
		return v
	}
	rest := make([]dataplane.RealServer, 0, len(v.RealServers))
	for _, r := range v.RealServers {
		if r.Weight > 0 {
			delete(removed, r.Addr)
		}
		if !removed[r.Addr] {
			rest = append(rest, r)
		}
	}
	v.RealServers = rest
	return v
}

// record notes which servers of want are missing, and returns those that are not
// to be added again.
func (q *quiescent) record(want dataplane.VirtualService, missing []netip.AddrPort) (stay []string) {
	if q.readd {
		return nil
	}
	for _, r := range want.RealServers {
		if r.Weight > 0 || !slices.Contains(missing, r.Addr) {
			continue
		}
		if q.removed[want.ID] == nil {
			q.removed[want.ID] = map[netip.AddrPort]bool{}
		}
		q.removed[want.ID][r.Addr] = true
		stay = append(stay, r.Addr.String())
	}
	return stay
}

// ReaddQuiescent sets readdquiescent. It adds all servers again that somebody
// else has removed until now. It does not wait.
func (a *Applier) ReaddQuiescent(readd bool) {
	a.barrier(func() {
		a.quiescent.readd = readd
		for id := range a.quiescent.removed {
			delete(a.quiescent.removed, id)
			if want, ours := a.served[id]; ours && a.retries[id] == nil {
				a.retries[id] = &retry{desired: desired{want: &want}, at: time.Now(), delay: FirstRetry / 2}
			}
		}
	})
}

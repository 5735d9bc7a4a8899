package daemon

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
)

// bypassed warns of services for the proxy that get no connections because the
// kernel's IPVS has them, too: a predecessor has left them there. Services that
// this shunt has left there are removed by itself.
func (d *Daemon) bypassed(conf *config.Config) config.Problems {
	listed, err := ipvs.Listed()
	if err != nil {
		d.log.Warn("services of the kernel cannot be listed", "err", err)
	}
	ours := d.plane.Served(onIPVS)
	listed = slices.DeleteFunc(listed, func(id dataplane.ServiceID) bool { return slices.Contains(ours, id.String()) })
	return inTheWay(conf, d.plane.status.Name, listed)
}

// inTheWay returns the services of conf that are not forwarded in the kernel, and
// whose connections go to one of listed, where def is the default dataplane.
func inTheWay(conf *config.Config, def string, listed []dataplane.ServiceID) (ps config.Problems) {
	taken := map[dataplane.ServiceID]bool{}
	for _, id := range listed {
		taken[id] = true
	}
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		whole := v.ID // all ports of its address
		whole.Addr = netip.AddrPortFrom(v.ID.Addr.Addr(), 0)
		for _, id := range slices.Compact([]dataplane.ServiceID{v.ID, whole}) {
			if dataplaneOf(v, def).inKernel || !taken[id] {
				continue
			}
			ps = append(ps, config.Problem{
				Severity: config.Warning, Pos: v.Pos,
				Text: fmt.Sprintf("the kernel has %s, too, and takes the connections of this service before the proxy", id),
				Hint: fmt.Sprintf("ipvsadm -D -%.1s %s", id.Protocol, id.Addr),
			})
		}
	}
	return ps
}

package director

import (
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// unready returns why the director is not ready, "" if it is: it stops, or the
// dataplane does not have every service as wanted.
func (c *cluster) unready() string {
	if c.reports.alerts.phase == config.AlertStopping {
		return "shunt is stopping"
	}
	n, first := c.leftOut, ""
	for _, sv := range c.services {
		if sv.inForce {
			continue
		}
		if n++; first == "" {
			first = sv.conf.ID.String() + " " + sv.lacks()
		}
	}
	switch {
	case n == 0:
		return ""
	case first == "":
		first = "a service that is left out waits for a name or a file that is missing"
	}
	return fmt.Sprintf("not served as wanted: %d of %d virtual services; %s", n, c.leftOut+len(c.services), first)
}

// lacks returns why the dataplane does not have the service as wanted.
func (sv *service) lacks() string {
	switch {
	case !sv.begun:
		return "waits for the first checks of its real servers"
	case sv.applyErr != nil:
		return "cannot be served: " + sv.applyErr.Error()
	}
	return "is on its way to the dataplane"
}

// underway reports whether a call of the dataplane for a service is under way.
func (c *cluster) underway() bool {
	for _, sv := range c.services {
		if sv.begun && !sv.inForce && sv.applyErr == nil {
			return true
		}
	}
	return false
}

// noteResult notes the result of applying want, nil for the removal of the
// service.
func (sv *service) noteResult(want *dataplane.VirtualService, err error) {
	sv.applyErr = err
	if err == nil {
		sv.served = want
	}
	sv.inForce = err == nil && want != nil && sv.asked != nil && sv.asked.Equal(*want)
}

// serving returns the weights that were applied last, by address.
func (sv *service) serving() map[netip.AddrPort]int {
	weights := map[netip.AddrPort]int{}
	if sv.served != nil {
		for _, r := range sv.served.RealServers {
			weights[r.Addr] = r.Weight
		}
	}
	return weights
}

// servedIn reports whether the dataplane has the server with a weight, or it is to
// have none. serving are the weights in the dataplane.
func (s *server) servedIn(serving map[netip.AddrPort]int) bool {
	weight, there := serving[s.addr]
	return there && (weight > 0 || s.weight() == 0)
}

// reportReady calls Options.Ready if its argument has changed.
func (d *Director) reportReady() {
	if !d.cluster.readyChanged {
		return
	}
	d.cluster.readyChanged = false
	if why := d.cluster.unready(); why != d.unready {
		d.unready = why
		if d.o.Ready != nil {
			d.o.Ready(why)
		}
	}
}

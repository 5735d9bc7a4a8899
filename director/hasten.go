package director

import (
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// hastenPause is the least time between two checks of a real server that are
// hastened.
const hastenPause = time.Second

// A suspicion is a real server that clients do not reach.
type suspicion struct {
	service dataplane.ServiceID
	server  netip.AddrPort
}

// suspect is called by a [dataplane.Observer]. While many suspicions wait, more are
// dropped: the dataplane repeats them.
func (d *Director) suspect(id dataplane.ServiceID, server netip.AddrPort) {
	select {
	case d.suspicions <- suspicion{id, server}:
	default:
	}
}

// hasten makes the checks of a real server at once. It runs in the loop.
func (d *Director) hasten(about suspicion) {
	for _, id := range d.cluster.hasten(time.Now(), about) {
		d.prober.Hasten(id)
	}
}

// hasten returns the probes to run at once because clients do not reach a real
// server: those of servers that are in use, each once in a while. The failed
// connections change no state by themselves.
func (c *cluster) hasten(now time.Time, about suspicion) (ids []spec.ID) {
	sv := c.byID[about.service]
	if sv == nil {
		return nil
	}
	for _, s := range sv.servers {
		if s.addr != about.server || len(s.checks) == 0 || s.state() != Up || now.Sub(s.seldom().hastenedAt) < hastenPause {
			continue
		}
		own := s.own()
		own.hastened, own.hastenedAt = own.hastened+1, now
		c.log.Info("clients do not reach a real server; its check is hastened", "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "errorlimit", sv.conf.ErrorLimit)
		for i := range s.checks {
			ids = append(ids, s.checks[i].ID)
		}
	}
	return ids
}

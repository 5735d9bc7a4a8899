package director

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// replaceService replaces old by sv, which gets its history, and reports what the
// new configuration no longer has.
func (c *cluster) replaceService(now time.Time, sv, old *service) {
	if old.announced && old.fallbackName() != sv.fallbackName() {
		old.announced = false
		c.reports.recordFallback(now, old, Standby, "the configuration no longer names it")
	}
	if old.conf.FallbackCommand != sv.conf.FallbackCommand {
		c.reports.stopFallbackCommand(old)
	}
	c.reports.replaceQuorum(sv, old)
	c.reports.alerts.purged(old, old.without(sv), "start")
	sv.inherit(now, old)
	for _, s := range sv.servers {
		c.forceUp(now, sv, s)
	}
}

// without returns the servers of sv that other does not have.
func (sv *service) without(other *service) []*server {
	stays := map[netip.AddrPort]bool{}
	for _, o := range other.servers {
		stays[o.conf.Addr] = true
	}
	return slices.DeleteFunc(slices.Clone(sv.servers), func(s *server) bool { return stays[s.conf.Addr] })
}

// inherit takes over the history of the same service before a reload. Everything
// else comes from the configuration.
func (sv *service) inherit(now time.Time, old *service) {
	sv.serviceHistory = old.serviceHistory
	if sv.conf.Dataplane != old.conf.Dataplane {
		sv.asked, sv.served = nil, nil // of the other dataplane
	}
	past := map[netip.AddrPort][]*server{}
	for _, s := range old.servers {
		past[s.conf.Addr] = append(past[s.conf.Addr], s)
	}
	for _, s := range sv.servers {
		// Of several entries for one address the first takes over from the first.
		if same := past[s.conf.Addr]; len(same) > 0 {
			s.inherit(now, same[0])
			past[s.conf.Addr] = same[min(1, len(same)-1):]
		}
	}
}

// inherit takes over the history of the same server before a reload.
func (s *server) inherit(now time.Time, old *server) {
	initial := s.cause
	s.serverHistory = old.clone()
	same := s.inheritChecks(old)
	s.request = s.checks.request(s.fullWeight())
	if same {
		return
	}
	s.recount(now, old)
	if old.state() == Down && (len(old.checks) == 0 || len(s.checks) == 0) {
		s.cause = initial
	}
}

// forceUp makes a server with checktype=on up. With checktype=off it keeps its
// state.
func (c *cluster) forceUp(now time.Time, sv *service, s *server) {
	if sv.conf.CheckType != config.CheckOn || s.health.Up {
		return
	}
	before := s.state()
	s.setHealth(true)
	if s.state() != before {
		c.reports.changed(now, sv, s, before, s.causeOr("checktype="+sv.conf.CheckType.String()))
	}
}

package director

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// succeed puts sv in the place of the service that a reload found, with all
// that was known about it. What the new configuration no longer has is told
// so.
func (c *cluster) succeed(now time.Time, sv, old *service) {
	if old.announced && old.fallbackName() != sv.fallbackName() {
		old.announced = false
		c.recordFallback(now, old, Standby, "the configuration no longer names it")
	}
	if old.conf.FallbackCommand != sv.conf.FallbackCommand {
		c.dismissCommand(old)
	}
	c.mailPurged(old, old.without(sv), "start")
	sv.inherit(old)
	for _, s := range sv.servers {
		c.decree(now, sv, s)
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

// dismissCommand tells a fallbackcommand that is no longer called to stop, if
// the last it has heard was start.
func (c *cluster) dismissCommand(sv *service) {
	if sv.command == "start" {
		c.sayFallback(sv, "stop")
	}
	sv.command = ""
}

// inherit takes over what was known about the same service before a reload:
// the whole of its history, while everything else comes from the configuration.
func (sv *service) inherit(old *service) {
	sv.serviceHistory = old.serviceHistory
	if sv.conf.Dataplane != old.conf.Dataplane {
		sv.asked, sv.served = nil, nil // of the other one
	}
	past := map[netip.AddrPort][]*server{}
	for _, s := range old.servers {
		past[s.conf.Addr] = append(past[s.conf.Addr], s)
	}
	for _, s := range sv.servers {
		// Of several entries for one address the first takes over from the first.
		if same := past[s.conf.Addr]; len(same) > 0 {
			s.inherit(same[0])
			past[s.conf.Addr] = same[min(1, len(same)-1):]
		}
	}
}

// inherit takes over what was known about the same server before a reload.
// A check that has changed starts counting anew, from the state the server
// is in: an edit of a check takes no server out before the new check fails.
func (s *server) inherit(old *server) {
	undone := s.cause
	s.serverHistory = old.serverHistory
	if sameProbe(old.probe, s.probe) {
		return
	}
	s.health.set(old.health.up)
	s.last, s.awaited = checkResult{}, time.Time{}
	if old.state() == Down && (old.probe == nil || s.probe == nil) {
		s.cause = undone
	}
}

// decree makes a server what checktype=on says that it is: up. With off it
// stays what it is.
func (c *cluster) decree(now time.Time, sv *service, s *server) {
	if sv.conf.CheckType != config.CheckOn || s.health.up {
		return
	}
	before := s.state()
	s.health.set(true)
	if s.state() != before {
		c.changed(now, sv, s, before, "checktype="+sv.conf.CheckType.String())
	}
}

package director

import (
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// setFallback notes whether the fallback has to answer, and reports that. It
// reports nothing before the first checks have ended: until then the fallback
// only bridges the start.
func (c *cluster) setFallback(now time.Time, sv *service, on bool) {
	sv.fallbackOn = on
	switch {
	case !on:
		c.reports.reportFallback(now, sv, false)
		c.reports.runFallbackCommand(sv, "stop")
	case sv.settled():
		c.reports.reportFallback(now, sv, true)
		c.reports.runFallbackCommand(sv, "start")
	}
}

// fallback returns the real server that answers while no other can, false if the
// service has none. With checktype=off neither real servers nor fallback are
// activated, as the manual of ldirectord says.
func (sv *service) fallback() (dataplane.RealServer, bool) {
	f := sv.conf.Fallback
	if f == nil || sv.conf.CheckType == config.CheckOff {
		return dataplane.RealServer{}, false
	}
	if f.Sorry {
		return dataplane.RealServer{Weight: 1, Sorry: true}, true
	}
	addr := sv.conf.ID.Mapped(f.Addr, f.Forward)
	return dataplane.RealServer{
		Addr: addr, Weight: 1, Forward: f.Forward, Tunnel: sv.conf.TunnelTo(f.Forward),
		Sorry: addr.Addr().IsLoopback() || sv.conf.ID.Catches(addr),
	}, true
}

// fallbackName returns the fallback for messages, "" for none.
func (sv *service) fallbackName() string {
	r, ok := sv.fallback()
	switch {
	case !ok:
		return ""
	case !r.Addr.IsValid():
		return "sorry"
	}
	return r.Addr.String()
}

package director

import (
	"fmt"
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
		c.reportFallback(now, sv, false)
		c.runFallbackCommand(sv, "stop")
	case sv.settled():
		c.reportFallback(now, sv, true)
		c.runFallbackCommand(sv, "start")
	}
}

func (c *cluster) reportFallback(now time.Time, sv *service, on bool) {
	if _, exists := sv.fallback(); !exists || sv.announced == on {
		return
	}
	sv.announced = on
	switch weight := sv.quorum.weight; {
	case on && weight > 0:
		c.recordFallback(now, sv, Active, fmt.Sprintf("the usable real servers weigh %d, quorum=%d hysteresis=%d", weight, sv.conf.Quorum, sv.conf.Hysteresis))
	case on:
		c.recordFallback(now, sv, Active, "no real server is usable")
	case sv.opened:
		c.recordFallback(now, sv, Standby, "failopen=yes")
	default:
		c.recordFallback(now, sv, Standby, "a real server is usable")
	}
}

func (c *cluster) recordFallback(now time.Time, sv *service, to State, cause string) {
	t := Transition{Time: now, Service: sv.conf.ID.String(), Server: "fallback " + sv.fallbackName(), From: Standby, To: to, Cause: cause}
	if to == Standby {
		t.From = Active
	}
	c.history.add(t)
	c.alerts.at = now
	c.alerts.fallback(sv, to == Active)
}

// runFallbackCommand runs fallbackcommand with word, once for each change.
func (c *cluster) runFallbackCommand(sv *service, word string) {
	if sv.conf.FallbackCommand == "" || sv.command == word {
		return
	}
	sv.command = word
	c.out.fallbackCommand(sv.conf, word)
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

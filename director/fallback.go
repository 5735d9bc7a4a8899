package director

import (
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// setFallback records whether the fallback has to answer, and tells whoever
// wants to know. Nobody is told before the first checks have ended: until
// then the fallback bridges the start and means nothing.
func (c *cluster) setFallback(now time.Time, sv *service, on bool) {
	sv.fallbackOn = on
	switch {
	case !on:
		c.announceFallback(now, sv, false)
		c.sayFallback(sv, "stop")
	case sv.settled():
		c.announceFallback(now, sv, true)
		c.sayFallback(sv, "start")
	}
}

func (c *cluster) announceFallback(now time.Time, sv *service, on bool) {
	if _, exists := sv.fallback(); !exists || sv.announced == on {
		return
	}
	sv.announced = on
	if on {
		c.recordFallback(now, sv, Active, "no real server is usable")
	} else {
		c.recordFallback(now, sv, Standby, "a real server is usable")
	}
}

func (c *cluster) recordFallback(now time.Time, sv *service, to State, cause string) {
	t := Transition{Time: now, Service: sv.conf.ID.String(), Server: "fallback " + sv.fallbackName(), From: Standby, To: to, Cause: cause}
	if to == Standby {
		t.From = Active
	}
	c.record(t)
	c.mailFallback(sv, to == Active)
}

// sayFallback gives fallbackcommand its word, once for each change.
func (c *cluster) sayFallback(sv *service, word string) {
	if sv.conf.FallbackCommand == "" || sv.command == word {
		return
	}
	sv.command = word
	c.out.fallbackCommand(sv.conf, word)
}

// fallback is the real server that answers while no other can; false if the
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
	addr := mappedAddr(sv.conf, f.Addr, f.Forward)
	return dataplane.RealServer{
		Addr: addr, Weight: 1, Forward: f.Forward, Tunnel: sv.conf.TunnelTo(f.Forward),
		Sorry: addr.Addr().IsLoopback() || sv.conf.ID.Catches(addr),
	}, true
}

// fallbackName is the fallback as people read it, "" for none.
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

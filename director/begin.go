package director

import (
	"time"

	"github.com/shunt-lb/shunt/director/internal/prober"
)

const (
	// beginWait is how long a service that could begin waits for the first results
	// of its other real servers, so that no server gets all clients alone.
	beginWait = time.Second
	// resultGrace is how late a first result may be.
	resultGrace = time.Second
)

// begin reports whether the service is to be applied. A service begins when the
// first result of each of its real servers is known, and at most beginWait after
// the first good one. Until then the dataplane has it as it was before: not at
// all, or as a predecessor or the configuration before has left it. Once begun it
// goes on, whatever the states of its servers.
func (c *cluster) begin(now time.Time, sv *service) bool {
	if sv.begun {
		return true
	}
	c.readyChanged = true
	switch proven := sv.proven(); {
	case !proven:
		sv.provenAt = time.Time{}
	case sv.provenAt.IsZero():
		sv.provenAt = now
	}
	if now.Before(sv.due()) {
		c.waiting[sv] = struct{}{}
		return false
	}
	delete(c.waiting, sv)
	sv.begun, sv.found = true, nil
	return true
}

// removeService removes a service from the dataplane, also one that a predecessor
// has left there.
func (c *cluster) removeService(sv *service) {
	if sv.found != nil {
		c.out.removeFound(*sv.found)
		return
	}
	c.out.remove(sv.conf.ID)
}

// due returns when the service begins without further results of its real
// servers: at once if that is in the past or zero.
func (sv *service) due() time.Time {
	var at time.Time
	for _, s := range sv.servers {
		if t := s.due(); t.After(at) {
			at = t
		}
	}
	if latest := sv.provenAt.Add(beginWait); !sv.provenAt.IsZero() && latest.Before(at) {
		return latest
	}
	return at
}

// due returns until when a service waits for the server before it begins, the
// zero time if it does not: the server is not checked, its state is known, or
// initstate=up stands for it.
func (s *server) due() time.Time {
	if s.keptOut() || s.assumed {
		return time.Time{}
	}
	var latest time.Time
	for i := range s.checks {
		k := &s.checks[i]
		if s.health.Failed && k.last.At.IsZero() {
			continue // by another check it is known to be down
		}
		if at := k.due(s.awaited); at.After(latest) {
			latest = at
		}
	}
	return latest
}

// due returns until when a service waits for a check, first awaited at a time,
// before it begins: zero if it does not.
func (k *check) due(awaited time.Time) time.Time {
	_, limit := k.First()
	switch {
	case k.advises:
		return time.Time{}
	case k.last.At.IsZero():
		return awaited.Add(prober.FirstSpread + limit + resultGrace)
	case !k.health.Up && k.health.Rises > 0:
		return k.last.At.Add(k.pace() + limit + resultGrace)
	}
	return time.Time{}
}

// proven reports whether a real server is usable by the result of a check, not
// only because a predecessor used it, or is usable and not checked.
func (sv *service) proven() bool {
	for _, s := range sv.servers {
		if s.usable() && !s.checks.unchecked() {
			return true
		}
	}
	return false
}

// beginDue begins the services that are due.
func (c *cluster) beginDue(now time.Time) {
	if len(c.waiting) == 0 {
		return
	}
	for _, sv := range c.services {
		if _, waits := c.waiting[sv]; waits && !now.Before(sv.due()) {
			c.refresh(now, sv)
		}
	}
}

// nextDue returns when the next service is due, false for none.
func (c *cluster) nextDue() (next time.Time, ok bool) {
	for sv := range c.waiting {
		if at := sv.due(); !ok || at.Before(next) {
			next, ok = at, true
		}
	}
	return next, ok
}

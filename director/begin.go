package director

import "time"

const (
	// company is for how long a service that could begin waits for the first
	// results of its other real servers, so that none has all clients alone.
	company = time.Second
	// overdue is how much later than its time a first result may be.
	overdue = time.Second
)

// begin reports whether the dataplane is to be asked for the service. A service
// begins when the first result of each of its real servers is known, and no
// later than company after the first good one. Until then it is left as it is in
// the dataplane: not there, or as a predecessor or the configuration before has
// left it. Once it has begun it goes on, whatever becomes of its servers.
func (c *cluster) begin(now time.Time, sv *service) bool {
	if sv.begun {
		return true
	}
	c.moved = true
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

// withdraw takes a service out of the dataplane, also if it is as a predecessor
// has left it there.
func (c *cluster) withdraw(sv *service) {
	if sv.found != nil {
		c.out.evict(*sv.found)
		return
	}
	c.out.remove(sv.conf.ID)
}

// due is when the service begins if no more is heard of its real servers; a
// time in the past, or none, is at once.
func (sv *service) due() time.Time {
	var at time.Time
	for _, s := range sv.servers {
		if t := s.due(); t.After(at) {
			at = t
		}
	}
	if latest := sv.provenAt.Add(company); !sv.provenAt.IsZero() && latest.Before(at) {
		return latest
	}
	return at
}

// due is until when a service waits for the server before it begins, the zero
// time if it does not: nobody checks it, or a result says what to make of it.
func (s *server) due() time.Time {
	switch {
	case s.probe == nil || s.maintenance != "":
		return time.Time{}
	case s.last.at.IsZero():
		return s.awaited.Add(firstSpread + s.probe.limit(s.probe.first()) + overdue)
	case !s.health.up && s.health.rises > 0:
		return s.last.at.Add(s.pace() + s.probe.limit(s.probe.first()) + overdue)
	}
	return time.Time{}
}

// proven reports whether a result says of a real server that it is usable,
// rather than a predecessor, or whether nobody checks one that is.
func (sv *service) proven() bool {
	for _, s := range sv.servers {
		if s.usable() && (s.probe == nil || !s.last.at.IsZero()) {
			return true
		}
	}
	return false
}

// beginDue lets the services begin whose time has come.
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

// nextDue is when the next service begins by itself, false for none.
func (c *cluster) nextDue() (next time.Time, ok bool) {
	for sv := range c.waiting {
		if at := sv.due(); !ok || at.Before(next) {
			next, ok = at, true
		}
	}
	return next, ok
}

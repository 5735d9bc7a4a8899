package director

import "time"

// checked takes in one result of a probe, for every server that it checks. What
// follows for services is left to catchUp.
func (c *cluster) checked(id identity, r checkResult) {
	for _, m := range c.checkedBy[id] {
		c.observe(m.sv, m.s, r)
	}
}

// observe lets one result count for one server.
func (c *cluster) observe(sv *service, s *server, r checkResult) {
	first := s.last.at.IsZero()
	s.last = r
	s.count(r.err == nil)
	c.monitor(sv, s, r)
	if s.maintenance != "" {
		return
	}
	before := s.state()
	turned := s.health.observe(r.err == nil, sv.conf.FailureCount, sv.conf.RiseCount)
	s.ramp.out = s.ramp.out || r.err != nil && !s.health.up
	if turned {
		c.changed(r.at, sv, s, before, cause(r.err))
	} else {
		c.remark(sv, s, r, first)
	}
	if turned || first {
		c.stale[sv] = r.at
	}
}

// catchUp draws the consequences of results, once for each service however
// many there were: with thousands of real servers most of the work of a start.
func (c *cluster) catchUp() {
	if len(c.stale) == 0 {
		return
	}
	for _, sv := range c.services {
		if at, ok := c.stale[sv]; ok {
			c.refresh(at, sv)
		}
	}
	clear(c.stale)
}

// remark logs a result that changed nothing, when an operator would want to
// know about it.
func (c *cluster) remark(sv *service, s *server, r checkResult, first bool) {
	log := c.log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	switch {
	case r.err == nil:
		log.Debug("check succeeded", "duration", r.duration)
	case s.health.up:
		log.Info("soft failure", "failures", s.health.fails, "failurecount", sv.conf.FailureCount, "err", r.err)
	case first:
		s.cause = cause(r.err)
		log.Info("real server is down from the start", "err", r.err)
	default:
		s.cause = cause(r.err)
		log.Debug("check failed", "err", r.err, "duration", r.duration)
	}
}

func cause(err error) string {
	if err == nil {
		return "check succeeded"
	}
	return err.Error()
}

func (s *server) count(ok bool) {
	if ok {
		s.good++
	} else {
		s.bad++
	}
}

// changed records that a server's state is no longer before.
func (c *cluster) changed(now time.Time, sv *service, s *server, before State, why string) {
	s.cause, s.since = why, now
	s.transitions++
	c.turn(now, sv, s)
	c.record(Transition{
		Time: now, Service: sv.conf.ID.String(), Server: s.conf.Addr.String(),
		From: before, To: s.state(), Cause: why,
	})
	if before == Up || s.state() == Up {
		c.mailServer(sv, s)
	}
}

func (c *cluster) record(t Transition) {
	c.log.Info("state changed", "service", t.Service, "real", t.Server, "from", string(t.From), "to", string(t.To), "cause", t.Cause)
	if len(c.recent) == recentTransitions {
		c.recent = append(c.recent[:0], c.recent[1:]...)
	}
	c.recent = append(c.recent, t)
}

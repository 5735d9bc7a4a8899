package director

import (
	"context"
	"log/slog"
	"time"
)

// checked handles one result of a probe, for every server that it checks. The
// consequences for services follow in catchUp.
func (c *cluster) checked(id identity, r checkResult) { c.observeAll(c.checkedBy[id], r) }

// observeAll counts one result for every server that a probe checks.
func (c *cluster) observeAll(members []member, r checkResult) {
	for _, m := range members {
		c.observe(m.sv, m.s, r)
	}
}

// observe counts one result for one server.
func (c *cluster) observe(sv *service, s *server, r checkResult) {
	first := s.last.at.IsZero()
	s.last = r
	s.recent.add(r)
	sv.durations.add(r.duration)
	s.count(r.err == nil)
	c.monitor(sv, s, r)
	c.applyNote(r.at, sv, s, r.note)
	if r.err == nil && r.note != nil && r.note.Warning != s.warnings.check {
		logWarnings(s.log(c.log, sv), list(s.warnings.check), list(r.note.Warning))
		s.warnings.check = r.note.Warning
	}
	if s.maintenance != "" {
		return
	}
	before, failed, fall := s.state(), s.health.failed, sv.conf.FailureCount
	if s.assumed {
		s.assumed, fall = false, 1
	}
	changed := s.health.observe(r.err == nil, fall, sv.conf.RiseCount) && s.state() != before
	if s.health.failed && !failed {
		s.failedAt = r.at
	}
	if changed {
		s.shift(r.at, before, cause(r.err))
	} else {
		s.logResult(c.log, sv, r, first)
	}
	if changed || first || sv.begun && s.health.failed != failed {
		c.stale[sv] = r.at
	}
}

// catchUp updates the services that have had results, once for each service
// however many results there were: with thousands of real servers that is most of
// the work of a start.
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

// logResult logs a result that changed no state.
func (s *server) logResult(log *slog.Logger, sv *service, r checkResult, first bool) {
	if r.err == nil && !log.Enabled(context.Background(), slog.LevelDebug) {
		return // most results are such, and words cost more than the check
	}
	log = log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	switch {
	case r.err == nil:
		log.Debug("check succeeded", "duration", r.duration)
	case s.health.up:
		log.Info("soft failure", "failures", s.health.fails, "failurecount", sv.conf.FailureCount, "err", r.err)
	case first:
		s.cause = cause(r.err)
		log.Info("real server is down from the start", "err", r.err)
	default:
		if s.state() != Kept {
			s.cause = cause(r.err)
		}
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

// changed handles that a server's state is no longer before.
func (c *cluster) changed(now time.Time, sv *service, s *server, before State, why string) {
	s.cause, s.since, c.alerts.at = why, now, now
	s.transitions++
	s.updateRamp(now, sv, c.log)
	c.history.add(Transition{
		Time: now, Service: sv.conf.ID.String(), Server: s.conf.Addr.String(),
		From: before, To: s.state(), Cause: why,
	})
	if before.inUse() || s.inUse() {
		c.alerts.server(sv, s)
	}
}

package director

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// checked handles one result of a probe, for every server that it checks. The
// consequences for services follow in catchUp.
func (c *cluster) checked(id identity, r checkResult) { c.observeAll(c.checkedBy[id], r) }

// observeAll counts one result for every server that a probe checks.
func (c *cluster) observeAll(members []member, r checkResult) {
	for _, m := range members {
		c.observe(m, r)
	}
}

// observe counts one result for one server.
func (c *cluster) observe(m member, r checkResult) {
	sv, s, k := m.sv, m.s, m.check()
	first, silent := k.last.at.IsZero(), k.silent()
	s.recent.add(r, m.i)
	sv.durations.add(r.duration)
	c.monitor(m, r)
	if r.err != nil && m.i > 0 {
		r.err = fmt.Errorf("%s: %w", sv.names[m.i], r.err)
	}
	k.last, s.last = r, r
	c.applyNote(r.at, m, r.note)
	if k.silent() {
		s.last.err = trouble(s.checks)
		m.logSilence(c.log, silent)
		return
	}
	s.count(r.err == nil)
	if s.maintenance != "" {
		return
	}
	before, failed, fall := s.state(), s.health.failed, sv.conf.FailureCount
	if s.assumed && first {
		fall = 1
	}
	k.observe(r, fall, sv.conf.RiseCount)
	s.health = healthOf(s.checks)
	s.assumed = s.assumed && s.health.up && s.unchecked()
	if len(s.checks) > 1 {
		s.last.err = trouble(s.checks)
	}
	changed := s.state() != before
	if s.health.failed && !failed {
		s.failedAt = r.at
	}
	if changed {
		s.shift(r.at, before, cause(r.err))
	} else {
		m.logResult(c.log, r, first)
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
func (m member) logResult(log *slog.Logger, r checkResult, first bool) {
	sv, s, h := m.sv, m.s, &m.check().health
	if s.state() == Down && s.health.failed && s.last.err != nil {
		s.cause = cause(s.last.err)
	}
	if r.err == nil && !log.Enabled(context.Background(), slog.LevelDebug) {
		return // most results are such, and words cost more than the check
	}
	log = log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	switch {
	case r.err == nil:
		log.Debug("check succeeded", "duration", r.duration)
	case h.up:
		log.Info("soft failure", "failures", h.fails, "failurecount", sv.conf.FailureCount, "err", r.err)
	case first:
		log.Info("real server is down from the start", "err", r.err)
	default:
		log.Debug("check failed", "err", r.err, "duration", r.duration)
	}
}

// logSilence logs that an agent has become silent, if it was not before.
func (m member) logSilence(log *slog.Logger, before bool) {
	if !before {
		log.Warn("agent says nothing of its real server, which stays as it is", "service", m.sv.conf.ID.String(), "real", m.s.conf.Addr.String(), "err", m.check().last.err)
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

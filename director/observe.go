package director

import (
	"context"
	"log/slog"

	"github.com/shunt-lb/shunt/director/internal/monitorfile"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// checked handles one result of a probe, for every server that it checks. The
// consequences for services follow in catchUp.
func (c *cluster) checked(id spec.ID, r prober.Result) { c.observeAll(c.checkedBy[id], r) }

// observeAll counts one result for every server that a probe checks.
func (c *cluster) observeAll(members []member, r prober.Result) {
	for _, m := range members {
		c.observe(m.sv, m.s, r)
	}
}

// observe counts one result for one server.
func (c *cluster) observe(sv *service, s *server, r prober.Result) {
	first := s.last.At.IsZero()
	s.last = r
	s.recent.Add(r.At, r.Duration, r.Err)
	sv.durations.Add(r.Duration)
	s.count(r.Err == nil)
	if f := sv.conf.MonitorFile; f != "" {
		c.out.monitor(f, monitorfile.Line(sv.conf, s.conf, r.At, r.Err))
	}
	c.applyNote(r.At, sv, s, r.Note)
	if r.Err == nil && r.Note != nil && r.Note.Warning != s.warnings.check {
		logWarnings(s.log(c.log, sv), list(s.warnings.check), list(r.Note.Warning))
		s.warnings.check = r.Note.Warning
	}
	if s.maintenance != "" {
		return
	}
	before, failed, fall := s.state(), s.health.Failed, sv.conf.FailureCount
	if s.assumed {
		s.assumed, fall = false, 1
	}
	changed := s.health.Observe(r.Err == nil, fall, sv.conf.RiseCount) && s.state() != before
	if s.health.Failed && !failed {
		s.failedAt = r.At
	}
	if changed {
		s.shift(r.At, before, cause(r.Err))
	} else {
		s.logResult(c.log, sv, r, first)
	}
	if changed || first || sv.begun && s.health.Failed != failed {
		c.stale[sv] = r.At
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
func (s *server) logResult(log *slog.Logger, sv *service, r prober.Result, first bool) {
	if r.Err == nil && !log.Enabled(context.Background(), slog.LevelDebug) {
		return // most results are such, and words cost more than the check
	}
	log = log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	switch {
	case r.Err == nil:
		log.Debug("check succeeded", "duration", r.Duration)
	case s.health.Up:
		log.Info("soft failure", "failures", s.health.Fails, "failurecount", sv.conf.FailureCount, "err", r.Err)
	case first:
		s.cause = cause(r.Err)
		log.Info("real server is down from the start", "err", r.Err)
	default:
		if s.state() != Kept {
			s.cause = cause(r.Err)
		}
		log.Debug("check failed", "err", r.Err, "duration", r.Duration)
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

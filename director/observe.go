package director

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
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
		c.observe(m, r)
	}
}

// observe counts one result for one server.
func (c *cluster) observe(m member, r prober.Result) {
	sv, s, k := m.sv, m.s, m.check()
	first, silent, known := k.last.At.IsZero(), k.silent(), !s.seldom().failedAt.IsZero()
	s.recent.Add(r.At, r.Duration, r.Err, m.i)
	sv.durations.Add(r.Duration)
	c.monitor(m, r)
	if r.Err != nil && m.i > 0 {
		r.Err = fmt.Errorf("%s: %w", sv.names[m.i], r.Err)
	}
	k.last = prober.Result{At: r.At, Duration: r.Duration, Err: r.Err}
	c.applyNote(r.At, m, r.Note)
	if m.i == 0 && r.Err == nil && r.Note != nil && r.Note.Warning != s.seldom().warnings.check {
		logWarnings(s.log(c.log, sv), list(s.seldom().warnings.check), list(r.Note.Warning))
		s.own().warnings.check = r.Note.Warning
	}
	if k.silent() {
		m.logSilence(c.log, silent)
		return
	}
	s.count(r.Err == nil)
	before, up, failed, fall := s.state(), s.health.Up, s.health.Failed, sv.conf.FailureCount
	if s.assumed && first {
		fall = 1
	}
	k.observe(r, fall, sv.conf.RiseCount)
	s.health = s.checks.health()
	s.assumed = s.assumed && s.health.Up && s.checks.unchecked()
	changed := s.state() != before
	if s.health.Failed && !failed {
		s.own().failedAt = r.At
	}
	switch {
	case changed:
		s.shift(r.At, before, cause(r.Err))
	case s.keptOut() && s.health.Up != up:
		s.logUnused(c.log, sv, r.Err)
	default:
		m.logResult(c.log, r, first, known)
		if first && !known && s.foundDown() {
			c.reports.downFromTheStart(r.At, sv, s)
		}
	}
	if changed || first || sv.begun && s.health.Failed != failed {
		c.stale[sv] = r.At
	}
}

// monitor writes a result to the service's monitorfile.
func (c *cluster) monitor(m member, r prober.Result) {
	v, real := m.sv.conf, m.s.conf
	if v.MonitorFile == "" {
		return
	}
	if m.i > 0 {
		further := v.Further()
		v, real = v.As(&further[m.i-1]), further[m.i-1].Of(real)
	}
	c.out.monitor(v.MonitorFile, monitorfile.Line(v, real, r.At, r.Err))
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

// logUnused logs that a server that an operator keeps out would no longer be in use, or
// would be again.
func (s *server) logUnused(log *slog.Logger, sv *service, err error) {
	log = log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "state", string(s.state()))
	if err == nil {
		log.Info("checks of a real server that is kept out succeed")
		return
	}
	log.Info("checks of a real server that is kept out fail", "err", err)
}

// logResult logs a result that changed no state: the first one of its check or not,
// and of a server that checks are known to have found down before or not.
func (m member) logResult(log *slog.Logger, r prober.Result, first, known bool) {
	sv, s, h := m.sv, m.s, &m.check().health
	if s.foundDown() {
		if err := s.checks.latest().Err; err != nil {
			s.cause = cause(err)
		}
	}
	if r.Err == nil && !log.Enabled(context.Background(), slog.LevelDebug) {
		return // most results are such, and words cost more than the check
	}
	log = log.With("service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	switch {
	case r.Err == nil:
		log.Debug("check succeeded", "duration", r.Duration)
	case h.Up:
		log.Info("soft failure", "failures", h.Fails, "failurecount", sv.conf.FailureCount, "err", r.Err)
	case first && known:
		log.Info("real server stays down", "err", r.Err)
	case first:
		log.Warn("real server is down from the start", "err", r.Err)
	default:
		log.Debug("check failed", "err", r.Err, "duration", r.Duration)
	}
}

// logSilence logs that an agent has become silent, if it was not before.
func (m member) logSilence(log *slog.Logger, before bool) {
	if !before {
		log.Warn("agent does not answer with a state; its real server stays as it is", "service", m.sv.conf.ID.String(), "real", m.s.conf.Addr.String(), "err", m.check().last.Err)
	}
}

func cause(err error) string {
	if err == nil {
		return "check succeeded"
	}
	return err.Error()
}

func (h *serverHistory) count(ok bool) {
	if ok {
		h.good++
	} else {
		h.bad++
	}
}

// hastenPause is the least time between two checks of a real server that are
// hastened.
const hastenPause = time.Second

// A suspicion is a real server that clients do not reach.
type suspicion struct {
	service dataplane.ServiceID
	server  netip.AddrPort
}

// suspect is called by a [dataplane.Observer]. While many suspicions wait, more are
// dropped: the dataplane repeats them.
func (d *Director) suspect(id dataplane.ServiceID, server netip.AddrPort) {
	select {
	case d.suspicions <- suspicion{id, server}:
	default:
	}
}

// hasten makes the checks of a real server at once. It runs in the loop.
func (d *Director) hasten(about suspicion) {
	for _, id := range d.cluster.hasten(time.Now(), about) {
		d.prober.Hasten(id)
	}
}

// hasten returns the probes to run at once because clients do not reach a real
// server: those of servers that are in use, each once in a while. The failed
// connections change no state by themselves.
func (c *cluster) hasten(now time.Time, about suspicion) (ids []spec.ID) {
	sv := c.byID[about.service]
	if sv == nil {
		return nil
	}
	for _, s := range sv.servers {
		if s.addr != about.server || len(s.checks) == 0 || s.state() != Up || now.Sub(s.seldom().hastenedAt) < hastenPause {
			continue
		}
		own := s.own()
		own.hastened, own.hastenedAt = own.hastened+1, now
		c.log.Info("clients do not reach a real server; its check is hastened", "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "errorlimit", sv.conf.ErrorLimit)
		for i := range s.checks {
			ids = append(ids, s.checks[i].ID)
		}
	}
	return ids
}

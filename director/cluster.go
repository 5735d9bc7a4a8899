package director

import (
	"log/slog"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A cluster is the director's whole state. It is pure: events and a time go
// in through its methods, and what has to happen comes out as calls on its
// outside. It starts nothing, waits for nothing and reads no clock, so that a
// sequence of events can be replayed. It is not safe for concurrent use; the
// loop owns it.
type cluster struct {
	services []*service
	byID     map[dataplane.ServiceID]*service
	// checkedBy finds the servers that one probe checks.
	checkedBy map[identity][]member
	global    config.Global
	// phase is the daemon's state as mails name it.
	phase config.AlertStates
	// recent holds the latest transitions, oldest first.
	recent []Transition
	out    outside
	log    *slog.Logger
}

// A member is a server in its service.
type member struct {
	sv *service
	s  *server
}

// An outside carries out what a cluster decides. No call may block.
type outside interface {
	apply(dataplane.VirtualService)
	remove(dataplane.ServiceID)
	fallbackCommand(v *config.Virtual, word string)
	mail(Mail)
	monitor(path, line string)
}

// recentTransitions is how many transitions are kept for status.
const recentTransitions = 256

func newCluster(out outside, log *slog.Logger) *cluster {
	return &cluster{byID: map[dataplane.ServiceID]*service{}, out: out, log: log, phase: config.AlertStarting}
}

// configure puts a configuration in force. Services and servers that were
// there before keep what is known about them; found is what the dataplane
// was serving before the first configuration.
func (c *cluster) configure(now time.Time, conf *config.Config, found []dataplane.ServiceStatus) {
	old := c.byID
	c.global, c.services, c.byID = conf.Global, nil, map[dataplane.ServiceID]*service{}
	for i := range conf.Virtuals {
		sv := newService(&conf.Virtuals[i])
		if o := old[sv.conf.ID]; o != nil {
			sv.inherit(o)
		}
		c.services = append(c.services, sv)
		c.byID[sv.conf.ID] = sv
	}
	c.adopt(found)
	c.index()
	c.removeMissing(old)
	for _, sv := range c.services {
		c.date(now, sv)
		c.refresh(now, sv)
	}
}

func (c *cluster) adopt(found []dataplane.ServiceStatus) {
	for _, f := range found {
		if sv := c.byID[f.Service.ID]; sv != nil {
			sv.adopt(f.Service)
		}
	}
}

func (c *cluster) index() {
	c.checkedBy = map[identity][]member{}
	for _, sv := range c.services {
		for _, s := range sv.servers {
			if s.probe != nil {
				id := s.probe.identity
				c.checkedBy[id] = append(c.checkedBy[id], member{sv, s})
			}
		}
	}
}

func (c *cluster) removeMissing(old map[dataplane.ServiceID]*service) {
	for id := range old {
		if c.byID[id] == nil {
			c.log.Info("virtual service removed", "service", id.String())
			c.out.remove(id)
		}
	}
}

// date gives servers that are new in a service the time they appeared.
func (c *cluster) date(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if s.since.IsZero() {
			s.since = now
		}
	}
}

// checked takes in one result of a probe, for every server that it checks.
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
	if turned {
		c.changed(r.at, sv, s, before, cause(r.err))
	} else {
		c.remark(sv, s, r, first)
	}
	if turned || first {
		c.refresh(r.at, sv)
	}
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
	c.record(Transition{
		Time: now, Service: sv.conf.ID.String(), Server: s.conf.Addr.String(),
		From: before, To: s.state(), Cause: why,
	})
	c.remind(now, sv, s)
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

// maintain takes in which real servers are kept out by a file, keyed by their
// configured address.
func (c *cluster) maintain(now time.Time, files map[string]string) {
	for _, sv := range c.services {
		for _, s := range sv.servers {
			if file := files[s.conf.Addr.String()]; file != s.maintenance {
				c.setMaintenance(now, sv, s, file)
			}
		}
		c.refresh(now, sv)
	}
}

// setMaintenance takes a server out, or gives it back to its checks, which
// have to succeed before it is used again.
func (c *cluster) setMaintenance(now time.Time, sv *service, s *server, file string) {
	before := s.state()
	s.maintenance = file
	why := "maintenance file " + file
	if file == "" {
		why = "maintenance file is gone"
		s.health.set(s.probe == nil && sv.conf.CheckType == config.CheckOn)
	}
	if s.state() != before {
		c.changed(now, sv, s, before, why)
	} else {
		s.cause = why
	}
}

// refresh brings everything that follows from the states of a service's
// servers up to date.
func (c *cluster) refresh(now time.Time, sv *service) {
	c.setFallback(now, sv, !sv.usable())
	want := sv.wanted()
	if sv.asked != nil && sv.asked.Equal(want) {
		return
	}
	sv.asked = &want
	c.out.apply(want)
}

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
	c.recordFallback(now, sv, on)
}

func (c *cluster) recordFallback(now time.Time, sv *service, on bool) {
	t := Transition{Time: now, Service: sv.conf.ID.String(), Server: "fallback " + sv.fallbackName(), From: Down, To: Up, Cause: "no real server is usable"}
	if !on {
		t.From, t.To, t.Cause = Up, Down, "a real server is usable"
	}
	c.record(t)
	c.mailFallback(sv, on)
}

// sayFallback gives fallbackcommand its word, once for each change.
func (c *cluster) sayFallback(sv *service, word string) {
	if sv.conf.FallbackCommand == "" || sv.command == word {
		return
	}
	sv.command = word
	c.out.fallbackCommand(sv.conf, word)
}

// applied takes in what became of the latest apply of a service.
func (c *cluster) applied(id dataplane.ServiceID, err error) {
	sv := c.byID[id]
	if sv == nil {
		return
	}
	if err != nil && (sv.applyErr == nil || sv.applyErr.Error() != err.Error()) {
		c.log.Error("virtual service is not served as wanted", "service", id.String(), "err", err)
	}
	if err == nil && sv.applyErr != nil {
		c.log.Info("virtual service is served as wanted again", "service", id.String())
	}
	sv.applyErr = err
}

// settled reports whether every real server's state is known.
func (c *cluster) settled() bool {
	for _, sv := range c.services {
		if !sv.settled() {
			return false
		}
	}
	return true
}

// stop says what has to happen to each service when the director stops:
// services with cleanstop=yes are removed and their fallbackcommand is told
// to stop; the others stay. It returns those.
func (c *cluster) stop() (kept []*service) {
	c.phase = config.AlertStopping
	for _, sv := range c.services {
		if !sv.conf.CleanStop {
			kept = append(kept, sv)
			continue
		}
		if sv.command == "start" {
			c.sayFallback(sv, "stop")
		}
		c.out.remove(sv.conf.ID)
	}
	return kept
}

// pace is the time between the starts of two checks, as the servers that a
// probe checks need it: the shortest that any of them asks for.
func (c *cluster) pace(id identity) time.Duration {
	pace := time.Duration(0)
	for _, m := range c.checkedBy[id] {
		p := m.s.pace()
		if pace == 0 || p < pace {
			pace = p
		}
	}
	if pace == 0 {
		return id.interval
	}
	return pace
}

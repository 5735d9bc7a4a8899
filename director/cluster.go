package director

import (
	"log/slog"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A cluster is the director's whole state. It is pure: events and a time go in
// through its methods, and its decisions come out as effects. It starts nothing,
// waits for nothing and reads no clock, so that a sequence of events can be
// replayed. It is not safe for concurrent use; the loop owns it.
type cluster struct {
	services  []*service
	byID      map[dataplane.ServiceID]*service
	checkedBy checkedBy
	// stale are the services with results whose consequences have not followed
	// yet.
	stale map[*service]time.Time
	// waiting are the services that have not begun.
	waiting map[*service]struct{}
	// readyChanged reports that the director may have become ready, or no longer
	// ready.
	readyChanged bool
	// leftOut counts the virtual services that wait for names or files.
	leftOut int
	// files keep out real servers, by their configured address.
	files map[string]string
	orderBook
	reports reporter
	out     effects
	log     *slog.Logger
}

// A checkedBy finds the servers that one probe checks.
type checkedBy map[spec.ID][]member

// A member is a check of a server in its service.
type member struct {
	sv *service
	s  *server
	i  int // of server.checks
}

func (m member) check() *check { return &m.s.checks[m.i] }

func newCheckedBy(services []*service) checkedBy {
	by := checkedBy{}
	for _, sv := range services {
		for _, s := range sv.servers {
			for i := range s.checks {
				id := s.checks[i].ID
				by[id] = append(by[id], member{sv, s, i})
			}
		}
	}
	return by
}

// awaited reports whether a server that a probe checks has had no result yet.
func (by checkedBy) awaited(id spec.ID) bool {
	return slices.ContainsFunc(by[id], func(m member) bool { return m.check().last.At.IsZero() })
}

// paceOf returns the time between two checks of a probe: the shortest that any
// of its servers asks for, of which there are some.
func paceOf(members []member) time.Duration {
	pace := members[0].check().pace()
	for _, m := range members[1:] {
		pace = min(pace, m.check().pace())
	}
	return pace
}

func newCluster(out effects, log *slog.Logger) *cluster {
	return &cluster{
		byID: map[dataplane.ServiceID]*service{}, stale: map[*service]time.Time{}, waiting: map[*service]struct{}{}, orderBook: orderBook{parked: map[place]*order{}}, out: out, log: log,
		reports: reporter{alerts: alerts{phase: config.AlertStarting, out: out}, history: history{log: log}, out: out, log: log},
	}
}

// configure puts a configuration in force. Services and servers that were there
// before keep their history; found are the services that the dataplane had before
// the first configuration.
func (c *cluster) configure(now time.Time, conf *config.Config, found []dataplane.VirtualService) {
	old := c.byID
	c.reports.alerts.at = now
	c.reports.alerts.global, c.leftOut, c.path = conf.Global, conf.LeftOut, conf.Path
	c.services, c.byID = nil, map[dataplane.ServiceID]*service{}
	ways := pathsOf(conf)
	for i := range conf.Virtuals {
		sv := newService(&conf.Virtuals[i])
		ways.mark(sv)
		if o := old[sv.conf.ID]; o != nil {
			c.replaceService(now, sv, o)
		}
		c.services = append(c.services, sv)
		c.byID[sv.conf.ID] = sv
	}
	orders{c}.park(old)
	orders{c}.unpark(waits(conf))
	c.adopt(found)
	c.checkedBy = newCheckedBy(c.services)
	c.removeMissing(old)
	clear(c.waiting)
	c.readyChanged = true
	for _, sv := range c.services {
		sv.setTimes(now, now.Add(time.Duration(max(0, len(c.checkedBy)-1))*prober.BetweenFirsts))
		orders{c}.applyFiles(now, sv)
		if o := old[sv.conf.ID]; o != nil && o.usable() && !sv.usable() {
			sv.begun = false // the servers from before go on until the new ones are checked
		}
		c.refresh(now, sv)
	}
}

// adopt gives services the state in which the dataplane had them.
func (c *cluster) adopt(found []dataplane.VirtualService) {
	for _, f := range found {
		if sv := c.byID[f.ID]; sv != nil {
			sv.adopt(f)
		}
	}
}

// removeMissing removes the services of old that are no longer configured.
func (c *cluster) removeMissing(old map[dataplane.ServiceID]*service) {
	for id, sv := range old {
		if c.byID[id] == nil {
			c.reports.stopFallbackCommand(sv)
			c.reports.endQuorum(sv)
			c.reports.alerts.purged(sv, sv.servers, "start")
			c.log.Info("virtual service removed", "service", id.String())
			c.removeService(sv)
		}
	}
}

// setTimes gives servers that are new in a service, or have a new check, the time
// since when that is so, and from when on a result is awaited.
func (sv *service) setTimes(now, awaited time.Time) {
	for _, s := range sv.servers {
		if s.since.IsZero() {
			s.since = now
		}
		if s.awaited.IsZero() {
			s.awaited = awaited
		}
	}
}

// refresh updates everything that follows from the states of a service's servers.
func (c *cluster) refresh(now time.Time, sv *service) {
	begun := c.begin(now, sv)
	c.judge(now, sv)
	sv.advanceRamps(now, c.log)
	for _, s := range sv.servers {
		if s.foundDown() {
			s.own().ramp.out = true
		}
		c.reports.alerts.schedule(now, sv, s)
	}
	if !begun {
		return
	}
	c.setFallback(now, sv, sv.fallbackOrder != nil || !sv.quorum.reached && !sv.opened)
	want := sv.wanted()
	if sv.asked != nil && sv.asked.Equal(want) {
		return
	}
	sv.asked, sv.inForce, c.readyChanged = &want, false, true
	c.out.apply(want)
}

// tick does what is due by time: reminders, and the steps of slow starts.
func (c *cluster) tick(now time.Time) {
	c.reports.alerts.at = now
	c.reports.alerts.limits.Due(now, c.reports.alerts.global.AlertLimit)
	for _, sv := range c.services {
		c.reports.alerts.remindDue(now, sv)
		leave := orders{c}.due(now, sv)
		if sv.advanceRamps(now, c.log) || leave {
			c.refresh(now, sv)
		}
	}
}

// applied handles the result of applying want, nil for the removal of the
// service.
func (c *cluster) applied(now time.Time, id dataplane.ServiceID, want *dataplane.VirtualService, err error) {
	c.readyChanged, c.reports.alerts.at = true, now
	sv := c.byID[id]
	if sv == nil {
		if err != nil {
			c.log.Error("virtual service that has left the configuration is still there", "service", id.String(), "err", err)
		}
		return
	}
	if err != nil && (sv.applyErr == nil || sv.applyErr.Error() != err.Error()) {
		c.log.Error("virtual service is not served as wanted", "service", id.String(), "err", err)
		c.reports.alerts.note(sv.conf, Event{Event: "unserved", Reason: err.Error(), Text: "Not served as wanted: " + bareName(sv.conf)})
	}
	if err == nil && sv.applyErr != nil && c.reports.alerts.phase != config.AlertStopping { // at a stop only its removal can succeed
		c.log.Info("virtual service is served as wanted again", "service", id.String())
		c.reports.alerts.note(sv.conf, Event{Event: "served", Text: "Served as wanted again: " + bareName(sv.conf)})
	}
	sv.noteResult(want, err)
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

package director

import (
	"log/slog"
	"slices"
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
	// stale are the services that have results without consequences yet.
	stale map[*service]time.Time
	// waiting are the services that have not begun.
	waiting map[*service]struct{}
	// moved: whether the director is ready may have changed.
	moved  bool
	global config.Global
	// leftOut is how many virtual services wait for what the file names.
	leftOut int
	// files keep out real servers, by their configured address.
	files map[string]string
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
	// evict removes what a predecessor has left.
	evict(dataplane.VirtualService)
	fallbackCommand(v *config.Virtual, word string)
	mail(Mail)
	monitor(path, line string)
}

// recentTransitions is how many transitions are kept for status.
const recentTransitions = 256

func newCluster(out outside, log *slog.Logger) *cluster {
	return &cluster{byID: map[dataplane.ServiceID]*service{}, stale: map[*service]time.Time{}, waiting: map[*service]struct{}{}, out: out, log: log, phase: config.AlertStarting}
}

// configure puts a configuration in force. Services and servers that were
// there before keep what is known about them; found is what the dataplane
// was serving before the first configuration.
func (c *cluster) configure(now time.Time, conf *config.Config, found []dataplane.VirtualService) {
	old := c.byID
	c.global, c.leftOut = conf.Global, conf.LeftOut
	c.services, c.byID = nil, map[dataplane.ServiceID]*service{}
	for i := range conf.Virtuals {
		sv := newService(&conf.Virtuals[i])
		if o := old[sv.conf.ID]; o != nil {
			c.succeed(now, sv, o)
		}
		c.services = append(c.services, sv)
		c.byID[sv.conf.ID] = sv
	}
	c.adopt(found)
	c.index()
	c.removeMissing(old)
	clear(c.waiting)
	c.moved = true
	for _, sv := range c.services {
		c.date(now, sv)
		c.keepOut(now, sv)
		if o := old[sv.conf.ID]; o != nil && o.usable() && !sv.usable() {
			sv.begun = false // what serves goes on until it is known what takes its place
		}
		c.refresh(now, sv)
	}
}

func (c *cluster) adopt(found []dataplane.VirtualService) {
	for _, f := range found {
		if sv := c.byID[f.ID]; sv != nil {
			sv.adopt(f)
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
	for id, sv := range old {
		if c.byID[id] == nil {
			c.dismissCommand(sv)
			c.mailPurged(sv, sv.servers, "start")
			c.log.Info("virtual service removed", "service", id.String())
			c.withdraw(sv)
		}
	}
}

// date gives servers that are new in a service, or whose check is, the time at
// which that was.
func (c *cluster) date(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if s.since.IsZero() {
			s.since = now
		}
		if s.awaited.IsZero() {
			s.awaited = now
		}
	}
}

// refresh brings everything that follows from the states of a service's
// servers up to date.
func (c *cluster) refresh(now time.Time, sv *service) {
	c.advance(now, sv)
	for _, s := range sv.servers {
		c.remind(now, sv, s)
	}
	if !c.begin(now, sv) {
		return
	}
	c.setFallback(now, sv, !sv.usable())
	want := sv.wanted()
	if sv.asked != nil && sv.asked.Equal(want) {
		return
	}
	sv.asked, sv.inForce, c.moved = &want, false, true
	c.out.apply(want)
}

// tick does what is due by time: reminders, and the steps of slow starts.
func (c *cluster) tick(now time.Time) {
	for _, sv := range c.services {
		c.remindAll(now, sv)
		if c.advance(now, sv) {
			c.refresh(now, sv)
		}
	}
}

// applied takes in what the dataplane made of want, nil for the removal of the
// service.
func (c *cluster) applied(id dataplane.ServiceID, want *dataplane.VirtualService, err error) {
	c.moved = true
	sv := c.byID[id]
	if sv == nil {
		if err != nil {
			c.log.Error("virtual service that has left the configuration is still there", "service", id.String(), "err", err)
		}
		return
	}
	if err != nil && (sv.applyErr == nil || sv.applyErr.Error() != err.Error()) {
		c.log.Error("virtual service is not served as wanted", "service", id.String(), "err", err)
	}
	if err == nil && sv.applyErr != nil && c.phase != config.AlertStopping { // at a stop it is its removal that succeeds
		c.log.Info("virtual service is served as wanted again", "service", id.String())
	}
	sv.landed(want, err)
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

// awaited reports whether a server that a probe checks has had no result yet.
func (c *cluster) awaited(id identity) bool {
	return slices.ContainsFunc(c.checkedBy[id], func(m member) bool { return m.s.last.at.IsZero() })
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

package director

import (
	"context"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/request"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// syncProbes starts and ends probes until those that the cluster needs run.
func (d *Director) syncProbes() {
	var specs []*spec.Check
	seen := map[spec.ID]bool{}
	for _, sv := range d.cluster.services {
		for _, s := range sv.servers {
			for i := range s.checks {
				if p := s.checks[i].Check; !seen[p.ID] {
					seen[p.ID] = true
					specs = append(specs, p)
				}
			}
		}
	}
	d.prober.Set(specs, d.cluster.checkedBy.awaited)
}

// handleResults counts the results that have come since, and then updates each service
// with results once.
func (d *Director) handleResults() {
	d.taken = d.prober.Take(d.taken)
	for i := range d.taken {
		r := &d.taken[i]
		members := d.cluster.checkedBy[r.Probe.ID]
		if len(members) == 0 {
			continue // it has ended
		}
		d.cluster.observeAll(members, r.Result)
		d.prober.SetPace(r.Probe, paceOf(members))
	}
	d.cluster.catchUp()
	d.endPhase()
}

// endPhase ends the phase of starting or reloading when every real server has been
// checked.
func (d *Director) endPhase() {
	if phase := d.cluster.reports.alerts.phase; phase != config.AlertRunning && phase != config.AlertStopping && d.cluster.settled() {
		d.cluster.reports.alerts.phase = config.AlertRunning
		d.log.Info("every real server has been checked")
	}
}

// applied brings the result of a call of the dataplane into the loop.
func (d *Director) applied(ctx context.Context, id dataplane.ServiceID, want *dataplane.VirtualService, err error) {
	_ = d.do(ctx, func() {
		d.cluster.applied(time.Now(), id, want, err)
		close(d.applies)
		d.applies = make(chan struct{})
	})
}

// applyNote takes in what a check of a server has found out beside its verdict,
// nil for nothing.
func (c *cluster) applyNote(now time.Time, m member, n *checks.Note) {
	if n == nil {
		return
	}
	sv, s, k := m.sv, m.s, m.check()
	if !n.Expires.IsZero() && (k.expires == nil || *k.expires != n.Expires) {
		k.expires = new(n.Expires)
	}
	if n.Weight == nil && n.Admin == "" {
		return
	}
	before, weight, said := s.state(), s.weight(), s.request.String()
	var asked request.Request
	if k.request != nil {
		asked = *k.request
	}
	asked.Add(n)
	k.request = asked.Kept()
	s.request = s.checks.request(s.fullWeight())
	if s.state() != before {
		s.shift(now, before, s.requested())
	}
	if s.weight() != weight || s.state() != before {
		c.stale[sv] = now
	}
	if s.request.String() != said {
		c.log.Info("real server asks for its state", "cause", s.requested(), "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "weight", s.weight())
	}
}

// requested is the cause of a state that a real server has asked for, or has
// asked to leave.
func (s *server) requested() string {
	if q := s.request.String(); q != "" {
		return "asked for by the real server: " + q
	}
	return "the real server asks for nothing any more"
}

package director

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// A request is what a real server asks for by its checks, beside their verdicts.
// The zero value is nothing, and so is nil.
type request struct {
	weight checks.Weight // of the weight that is configured; the zero value is all of it
	set    bool          // weight counts
	admin  checks.Admin  // Drain or Maint, or "" for neither
	why    string
}

// add takes in what one check has found out, and leaves the rest as it was.
func (q *request) add(n *checks.Note) {
	if n.Weight != nil {
		q.weight, q.set = *n.Weight, true
	}
	switch n.Admin {
	case "":
	case checks.Ready:
		q.admin = ""
	default:
		q.admin = n.Admin
	}
	if n.Weight != nil || n.Admin != "" {
		q.why = n.Why
	}
}

// kept returns a request to be kept, nil for nothing.
func (q request) kept() *request {
	if q == (request{}) {
		return nil
	}
	asked := q // on the heap only now
	return &asked
}

// maint reports whether a real server wants to be in maintenance.
func (q *request) maint() bool { return q != nil && q.admin == checks.Maint }

// join takes in what another check asks for beside it, of the weight that is
// configured: maint goes before drain, a smaller weight before a larger one.
func (q *request) join(o *request, configured int) {
	if o.set && (!q.set || o.share(configured) < q.share(configured)) {
		q.weight, q.set, q.why = o.weight, true, o.why
	}
	if o.admin == checks.Maint || o.admin != "" && q.admin == "" {
		q.admin, q.why = o.admin, o.why
	}
}

// weigh returns the weight that a request makes of the configured one. A configured
// weight of 0 is the operator's and stays 0; a weight above 0 stays above, unless the
// request is for 0.
func (q *request) weigh(configured int) int {
	if q != nil && q.admin != "" {
		return 0
	}
	return q.share(configured)
}

// share is weigh without regard to drain and maint.
func (q *request) share(configured int) int {
	switch {
	case configured == 0:
		return 0
	case q == nil || !q.set:
		return configured
	case !q.weight.Percent:
		return min(q.weight.N, math.MaxUint16)
	case q.weight.N == 0:
		return 0
	}
	return min(max(1, (configured*q.weight.N+50)/100), math.MaxUint16)
}

// String says what is asked for, "" for nothing.
func (q *request) String() string {
	if q == nil {
		return ""
	}
	var parts []string
	if q.admin != "" {
		parts = append(parts, string(q.admin))
	}
	if q.set && q.weight.Percent && q.weight.N != 100 {
		parts = append(parts, fmt.Sprintf("weight %d%%", q.weight.N))
	} else if q.set && !q.weight.Percent {
		parts = append(parts, fmt.Sprintf("weight %d", q.weight.N))
	}
	if q.why != "" && len(parts) > 0 {
		return strings.Join(parts, ", ") + " (" + q.why + ")"
	}
	return strings.Join(parts, ", ")
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
	var asked request
	if k.request != nil {
		asked = *k.request
	}
	asked.add(n)
	k.request = asked.kept()
	s.request = requestOf(s.checks, s.conf.Weight)
	if s.state() != before {
		s.shift(now, before, s.requested())
	}
	if s.weight() != weight || s.state() != before {
		c.stale[sv] = now
	}
	if s.request.String() != said {
		s.logRequest(c.log, sv)
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

func (s *server) logRequest(log *slog.Logger, sv *service) {
	log.Info("real server asks for its state", "cause", s.requested(), "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "weight", s.weight())
}

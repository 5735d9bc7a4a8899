package director

import (
	"math"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/health"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/request"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A check is one of the checks of a server, with its results.
type check struct {
	*spec.Check
	// advises reports that the check asks an agent, whose answers count and whose
	// silence does not.
	advises bool
	checkHistory
}

// A checkList has the checks of a server, the ordinary one first.
type checkList []check

// A checkHistory holds the results of one check of a server. A reload keeps it while
// the check stays as it is.
type checkHistory struct {
	last    prober.Result    // the latest one, without its note
	request *request.Request // nil for nothing; replaced, never changed
	expires *time.Time       // when the certificate ends, nil if there was none; likewise
	health  health.Health
}

// checksOf returns the checks of r, the ordinary one first; none with checktype on and
// off. They are appended to room, which is empty. An agent begins as up: its silence
// is no reason to be down.
func checksOf(v *config.Virtual, r *config.Real, room checkList) checkList {
	ordinary := spec.For(v, r)
	if ordinary == nil {
		return nil
	}
	further := v.Further()
	all := append(room, check{Check: ordinary})
	for i := range further {
		k := check{Check: spec.For(v.As(&further[i]), further[i].Of(r)), advises: further[i].Agent}
		k.health.Up = k.advises
		all = append(all, k)
	}
	return all
}

// observe counts a result of the check, by which fall failures in a row are down
// and rise successes up. The words of an agent count at once.
func (k *check) observe(r prober.Result, fall, rise int) {
	switch {
	case !k.advises:
		k.health.Observe(r.Err == nil, fall, rise)
	case r.Err != nil || r.Note != nil && r.Note.Up:
		k.health.Observe(r.Err == nil, 1, 1)
	}
}

// silent reports whether the check has said nothing about the server: an agent that
// does not answer, or not with a state. As with haproxy's agent-check, nothing
// changes then.
func (k *check) silent() bool {
	return k.advises && k.last.Err != nil && checks.KindOf(k.last.Err) != checks.Status
}

// pace returns the time between two checks that the health by them asks for.
func (k *check) pace() time.Duration {
	usual, fast, slow := k.Intervals()
	switch {
	case k.health.Undecided():
		return fast
	case !k.health.Up:
		return slow
	}
	return usual
}

// setHealth sets the server up or down, as if by all of its checks. A server that an
// agent says is down stays down.
func (s *server) setHealth(up bool) {
	for i := range s.checks {
		if k := &s.checks[i]; !k.advises {
			k.health.Set(up)
		} else if !k.health.Up {
			up = false
		}
	}
	s.health.Set(up)
}

// health returns the health of the server by all of them: it is up if each
// says so, and has failed if one has. Its counts are those of the worst check:
// the most failures or, if none fails, the fewest successes.
func (all checkList) health() health.Health {
	h := health.Health{Up: true, Rises: math.MaxInt32}
	for i := range all {
		k := &all[i]
		h.Up, h.Failed = h.Up && k.health.Up, h.Failed || k.health.Failed
		h.Fails = max(h.Fails, k.health.Fails)
		if !k.advises {
			h.Rises = min(h.Rises, k.health.Rises)
		}
	}
	if h.Fails > 0 {
		h.Rises = 0
	}
	return h
}

// request returns what all checks together ask for: maint before drain, and the
// least of the weights that they make of the configured one. It is nil for nothing.
func (all checkList) request(configured int) *request.Request {
	var q request.Request
	for i := range all {
		if one := all[i].request; one != nil {
			q.Join(one, configured)
		}
	}
	return q.Kept()
}

// latest returns the latest result of all, with the error that trouble says.
func (all checkList) latest() (r prober.Result) {
	for i := range all {
		if k := &all[i]; k.last.At.After(r.At) {
			r = k.last
		}
	}
	if len(all) > 1 {
		r.Err = all.trouble()
	}
	return r
}

// trouble returns why checks fail, by the latest result of each:
// the reason of the first one that has found it down or, if there is none, of the
// first that fails; nil if none does.
func (all checkList) trouble() (why error) {
	for i := range all {
		switch k := &all[i]; {
		case k.last.Err == nil || k.silent():
		case !k.health.Up:
			return k.last.Err
		case why == nil:
			why = k.last.Err
		}
	}
	return why
}

// unchecked reports whether a result is awaited without which nothing is known of
// the server. Nobody waits for an agent.
func (all checkList) unchecked() bool {
	for i := range all {
		if k := &all[i]; k.last.At.IsZero() && !k.advises {
			return true
		}
	}
	return false
}

// expires returns when the first of the server's certificates ends, zero if it
// has shown none.
func (all checkList) expires() (first time.Time) {
	for i := range all {
		if at := all[i].expires; at != nil && (first.IsZero() || at.Before(first)) {
			first = *at
		}
	}
	return first
}

// place returns which of all k is, -1 for none. The ordinary check is no other one's.
func (all checkList) place(k *check, ordinary bool) int {
	for i := range all {
		if o := &all[i]; (i == 0) == ordinary && o.advises == k.advises && o.ID == k.ID {
			return i
		}
	}
	return -1
}

// inheritChecks takes over what is known by the checks of the same server before a
// reload, and reports whether all are as they were. A new one begins in the
// server's state: an edit takes no server out of service before the check fails.
func (s *server) inheritChecks(old *server) bool {
	same := len(s.checks) == len(old.checks)
	for i := range s.checks {
		k := &s.checks[i]
		at := old.checks.place(k, i == 0)
		if at >= 0 {
			k.checkHistory = old.checks[at].checkHistory
		} else {
			k.begin(old, i == 0)
		}
		same = same && at == i
	}
	return same
}

// begin sets a check that is new after a reload to the state of the old server. The
// request of a real server stays if only the pace of the check has changed.
func (k *check) begin(old *server, ordinary bool) {
	if !k.advises {
		k.health.Set(old.health.Up)
	}
	for j := range old.checks {
		if o := &old.checks[j]; (j == 0) == ordinary && o.advises == k.advises && o.SameQuestion(k.ID) {
			k.request = o.request
			if k.advises {
				k.health = o.health
			}
		}
	}
}

// recount makes the state of a server that of its checks, of which some have
// changed or gone, from that of old.
func (s *server) recount(now time.Time, old *server) {
	s.health.Set(old.health.Up)
	s.awaited = time.Time{}
	if len(s.checks) > 0 {
		s.health = s.checks.health()
	}
	s.recent.Move(func(of int) int { return s.checks.place(&old.checks[of], of == 0) })
	if s.state() != old.state() {
		why := s.requested()
		if s.health.Up && !old.health.Up {
			why = "the check that kept it down is no longer made"
		}
		s.shift(now, old.state(), why)
	}
}

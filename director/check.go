package director

import (
	"math"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
)

// A check is one of the checks of a server, and what is known by it.
type check struct {
	*spec
	// advises: it asks an agent, whose words count while its silence does not.
	advises bool
	checkHistory
}

// A checkHistory is what is known by one check of a server, which a reload keeps
// while the check stays as it is.
type checkHistory struct {
	health  health
	last    checkResult
	request request
	expires time.Time // when the certificate ends, zero if there was none
}

// checksOf returns the checks of r, the ordinary one first; none with checktype on
// and off. An agent that has said nothing yet is no reason to be down.
func checksOf(v *config.Virtual, r *config.Real) []check {
	ordinary := newSpec(v, r)
	if ordinary == nil {
		return nil
	}
	further := v.Further()
	all := make([]check, 1, 1+len(further))
	all[0].spec = ordinary
	for i := range further {
		k := check{spec: newSpec(v.As(&further[i]), further[i].Of(r)), advises: further[i].Agent}
		k.health.up = k.advises
		all = append(all, k)
	}
	return all
}

// observe counts a result of the check, by which fall failures in a row are down
// and rise successes up. The words of an agent count at once.
func (k *check) observe(r checkResult, fall, rise int) {
	switch {
	case !k.advises:
		k.health.observe(r.err == nil, fall, rise)
	case r.err != nil || r.note != nil && r.note.Up:
		k.health.observe(r.err == nil, 1, 1)
	}
}

// silent reports whether the check has said nothing about the server: an agent that
// does not answer, or not with a state. As with haproxy's agent-check, nothing
// changes then.
func (k *check) silent() bool {
	return k.advises && k.last.err != nil && checks.KindOf(k.last.err) != checks.Status
}

// pace returns the time between two checks that the health by them asks for.
func (k *check) pace() time.Duration {
	switch {
	case k.health.undecided():
		return k.fast
	case !k.health.up:
		return k.slow
	}
	return k.interval
}

// setHealth sets the server up or down, as if by all of its checks. But an agent
// alone takes back its word.
func (s *server) setHealth(up bool) {
	for i := range s.checks {
		if k := &s.checks[i]; !k.advises {
			k.health.set(up)
		} else if !k.health.up {
			up = false
		}
	}
	s.health.set(up)
}

// healthOf returns the health of a server by all of its checks: it is up if each
// says so, and has failed if one has. Its counts are those of the worst check:
// the most failures or, if none fails, the fewest successes.
func healthOf(all []check) health {
	h := health{up: true, rises: math.MaxInt}
	for i := range all {
		k := &all[i]
		h.up, h.failed = h.up && k.health.up, h.failed || k.health.failed
		h.fails = max(h.fails, k.health.fails)
		if !k.advises {
			h.rises = min(h.rises, k.health.rises)
		}
	}
	return h
}

// requestOf returns what a server asks for by all of its checks, of the weight that
// is configured: maint before drain, and the least weight.
func requestOf(all []check, configured int) (q request) {
	for i := range all {
		q.join(&all[i].request, configured)
	}
	return q
}

// trouble returns why the checks of a server fail, by the latest result of each:
// the reason of the first one that has found it down or, if there is none, of the
// first that fails; nil if none does.
func trouble(all []check) (why error) {
	for i := range all {
		switch k := &all[i]; {
		case k.last.err == nil || k.silent():
		case !k.health.up:
			return k.last.err
		case why == nil:
			why = k.last.err
		}
	}
	return why
}

// unchecked reports whether a result is awaited without which nothing is known of
// the server. Nobody waits for an agent.
func (s *server) unchecked() bool {
	for i := range s.checks {
		if k := &s.checks[i]; k.last.at.IsZero() && !k.advises {
			return true
		}
	}
	return false
}

// expires returns when the first of the server's certificates ends, zero if it
// has shown none.
func (s *server) expires() (first time.Time) {
	for i := range s.checks {
		if at := s.checks[i].expires; first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// placeIn returns which of all the checks of a server k is, -1 for none. The
// ordinary check is no other one's.
func placeIn(all []check, k *check, ordinary bool) int {
	for i := range all {
		if o := &all[i]; (i == 0) == ordinary && o.advises == k.advises && o.identity == k.identity {
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
		at := placeIn(old.checks, k, i == 0)
		switch {
		case at >= 0:
			k.checkHistory = old.checks[at].checkHistory
		case !k.advises:
			k.health.set(old.health.up)
		}
		same = same && at == i
	}
	return same
}

// recount makes the state of a server that of its checks, of which some have
// changed or gone, from that of old.
func (s *server) recount(now time.Time, old *server) {
	s.health.set(old.health.up)
	s.last, s.awaited = checkResult{}, time.Time{}
	if len(s.checks) > 0 {
		s.health = healthOf(s.checks)
	}
	for i := range s.checks {
		if k := &s.checks[i]; k.last.at.After(s.last.at) {
			s.last = k.last
		}
	}
	s.last.err = trouble(s.checks)
	s.recent.move(func(of int) int { return placeIn(s.checks, &old.checks[of], of == 0) })
	if s.health.up && !old.health.up {
		s.shift(now, old.state(), "the check that failed is no longer made")
	}
}

package director

import (
	"fmt"
	"slices"
	"time"
)

// A quorum tells whether the usable real servers of a service weigh enough. A reload
// keeps it.
type quorum struct {
	reached bool
	weight  int // of the usable servers
	// told is the state that quorumup or quorumdown, log and mail reported last, ""
	// for none.
	told State
}

// A shift is a change of a server's state that has not been reported.
type shift struct {
	from State
	at   time.Time
	why  string
}

// The directives that keep a server with failing checks in use.
const (
	byMaxDown  = "maxdown"
	byFailOpen = "failopen"
)

// judge decides, by the health of all servers of a service together, which of
// those with failing checks stay in use, and whether those in use weigh enough. It
// reports the changes of states since it was called last. Before the service has
// begun it decides nothing.
func (c *cluster) judge(now time.Time, sv *service) {
	if sv.begun {
		for _, s := range sv.servers {
			if s.failing() || s.kept != "" {
				s.shift(now, s.state(), "")
			}
		}
		sv.keep()
		sv.weigh()
		sv.open()
	}
	for _, s := range sv.servers {
		c.reports.report(sv, s)
	}
	if sv.begun {
		c.reports.tellUsable(now, sv)
		c.reports.tellQuorum(now, sv)
	}
}

// failing reports whether checks have found the server down. A server that was kept in
// use still is failing after a reload that changed its check, until that has a result.
func (s *server) failing() bool {
	return !s.health.Up && !s.keptOut() && (s.health.Failed || s.kept != "" && (s.checks.latest().At.IsZero() || s.checks.unchecked()))
}

// takes reports whether the server could be given clients if it were well: neither
// the operator nor the server itself says otherwise.
func (s *server) takes() bool { return !s.keptOut() && s.request.Weigh(s.fullWeight()) > 0 }

// shift notes that a server may leave the state from, "" for no news of the cause.
func (h *serverHistory) shift(at time.Time, from State, why string) {
	if h.shifted == nil {
		h.shifted = &shift{from: from, at: at}
	}
	if why != "" {
		h.shifted.at, h.shifted.why = at, why
	}
}

// keeper returns the directive with its value.
func (sv *service) keeper(directive string) string {
	if directive == byFailOpen {
		return "failopen=yes"
	}
	return fmt.Sprintf("maxdown=%d%%", sv.conf.MaxDown)
}

// keep keeps servers in use of which maxdown lets checks take no more out: those
// that began to fail last, and of two at the same time the later one in the
// configuration. Servers in maintenance, or with weight 0, are not counted.
func (sv *service) keep() {
	var failing []*server
	takers := 0
	for _, s := range sv.servers {
		if s.takes() {
			takers++
			if s.failing() {
				failing = append(failing, s)
			}
		}
	}
	slices.SortStableFunc(failing, func(a, b *server) int { return a.seldom().failedAt.Compare(b.seldom().failedAt) })
	for _, s := range sv.servers {
		s.kept = ""
	}
	for _, s := range failing[min(len(failing), sv.conf.DownAtMost(takers)):] {
		s.kept = byMaxDown
	}
}

// weigh judges the quorum. A weight of 0 is never enough.
func (sv *service) weigh() {
	q := &sv.quorum
	q.weight = 0
	for _, s := range sv.servers {
		q.weight += s.weight()
	}
	need := sv.conf.Quorum + sv.conf.Hysteresis
	if q.reached {
		need = sv.conf.Quorum - sv.conf.Hysteresis
	}
	q.reached = q.weight >= max(1, need)
}

// open keeps all servers with failing checks in use, with failopen, when the others
// do not weigh enough.
func (sv *service) open() {
	sv.opened = false
	if !sv.conf.FailOpen || sv.quorum.reached || !sv.settled() {
		return
	}
	for _, s := range sv.servers {
		if s.failing() && s.takes() && s.kept == "" {
			s.kept = byFailOpen
		}
		sv.opened = sv.opened || s.usable()
	}
}

// held reports whether the fallback answers although real servers could: these
// keep their connections and get no new ones.
func (sv *service) held() bool {
	_, exists := sv.fallback()
	return exists && sv.fallbackOn && sv.quorum.weight > 0
}

// watched reports whether anybody asks for the quorum.
func (sv *service) watched() bool {
	v := sv.conf
	return v.Quorum > 1 || v.Hysteresis > 0 || v.QuorumUp != "" || v.QuorumDown != ""
}

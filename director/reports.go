package director

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// A reporter reports a cluster's decisions: in the log, in the latest transitions, by
// mail and webhook, and to the operator's commands. It decides only whether a report
// was made before.
type reporter struct {
	alerts  alerts
	history history
	out     effects
	log     *slog.Logger
}

// A history holds the latest transitions.
type history struct {
	recent []Transition // oldest first
	log    *slog.Logger
}

// maxTransitions is how many transitions a history keeps.
const maxTransitions = 256

// add logs a transition and keeps it.
func (h *history) add(t Transition) {
	h.log.Log(context.Background(), t.level(), "state changed", "service", t.Service, "real", t.Server, "from", string(t.From), "to", string(t.To), "cause", t.Cause)
	if len(h.recent) == maxTransitions {
		h.recent = append(h.recent[:0], h.recent[1:]...)
	}
	h.recent = append(h.recent, t)
}

// level returns how much a transition matters in a log: a warning is that a real
// server is no longer in use because its checks fail, or only because a directive keeps
// it there, that a fallback answers and that a quorum is lost. What the operator or the
// real server has asked for is none.
func (t *Transition) level() slog.Level {
	switch {
	case t.To == Down && t.From.inUse(), t.To == Kept, t.To == Active, t.To == Lost:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// tellUsable logs that a service has no usable real server, and that it has one again,
// once for each change. Before the first checks have ended it is not known.
func (r *reporter) tellUsable(now time.Time, sv *service) {
	unusable := !sv.usable()
	if sv.conf.CheckType == config.CheckOff || sv.unusable == unusable || unusable && !sv.settled() {
		return
	}
	sv.unusable, r.alerts.at = unusable, now
	log, about := r.log.With("service", sv.conf.ID.String()), Event{Event: "usable", Text: "A real server is usable again: " + bareName(sv.conf)}
	if unusable {
		instead := cmp.Or(sv.fallbackName(), "none")
		log.Error("virtual service has no usable real server", "fallback", instead)
		about = Event{Event: "unusable", Text: "No usable real server: " + bareName(sv.conf), Reason: "fallback: " + instead}
	} else {
		log.Info("virtual service has a usable real server again")
	}
	r.alerts.note(sv.conf, about)
}

// changed notes and tells that the state of a server is no longer before.
func (r *reporter) changed(now time.Time, sv *service, s *server, before State, why string) {
	s.cause, s.since, r.alerts.at = why, now, now
	s.transitions++
	s.updateRamp(now, sv, r.log)
	r.history.add(Transition{
		Time: now, Service: sv.conf.ID.String(), Server: s.conf.Addr.String(),
		From: before, To: s.state(), Cause: why,
	})
	if before.inUse() || s.inUse() {
		r.alerts.server(sv, s)
	} else {
		r.alerts.note(sv.conf, serverEvent(s, fmt.Sprintf("Real server %s (%s): %s", s.conf.Addr, bareName(sv.conf), s.state())))
	}
}

// downFromTheStart notes that the first check of a server has found it down. Nothing has
// changed that anybody else would be told of.
func (r *reporter) downFromTheStart(now time.Time, sv *service, s *server) {
	r.alerts.at = now
	r.alerts.note(sv.conf, serverEvent(s, fmt.Sprintf("Real server %s (%s): down from the start", s.conf.Addr, bareName(sv.conf))))
}

// report reports a server that has left its state.
func (r *reporter) report(sv *service, s *server) {
	p, to := s.shifted, s.state()
	s.shifted = nil
	if p == nil || p.from == to {
		return
	}
	why := ""
	if err := s.checks.latest().Err; err != nil {
		why = ": " + err.Error()
	}
	switch {
	case to == Kept:
		p.why = fmt.Sprintf("its checks fail, and %s keeps it in use%s", sv.keeper(s.kept), why)
	case to == Down && p.from == Kept:
		p.why = "its checks fail, and nothing keeps it in use any more" + why
	}
	r.changed(p.at, sv, s, p.from, s.causeOr(p.why))
}

func (r *reporter) reportFallback(now time.Time, sv *service, on bool) {
	if _, exists := sv.fallback(); !exists || sv.announced == on {
		return
	}
	sv.announced = on
	switch weight, order := sv.quorum.weight, sv.fallbackOrder; {
	case on && order != nil:
		r.recordFallback(now, sv, Active, saying("fallback on by "+order.By, order.Reason))
	case on && weight > 0:
		r.recordFallback(now, sv, Active, fmt.Sprintf("the usable real servers weigh %d, quorum=%d hysteresis=%d", weight, sv.conf.Quorum, sv.conf.Hysteresis))
	case on:
		r.recordFallback(now, sv, Active, "no real server is usable")
	case sv.opened:
		r.recordFallback(now, sv, Standby, "failopen=yes")
	default:
		r.recordFallback(now, sv, Standby, "a real server is usable")
	}
}

func (r *reporter) recordFallback(now time.Time, sv *service, to State, cause string) {
	t := Transition{Time: now, Service: sv.conf.ID.String(), Server: "fallback " + sv.fallbackName(), From: Standby, To: to, Cause: cause}
	if to == Standby {
		t.From = Active
	}
	r.history.add(t)
	r.alerts.at = now
	r.alerts.fallback(sv, to == Active)
}

// runFallbackCommand runs fallbackcommand with word, once for each change.
func (r *reporter) runFallbackCommand(sv *service, word string) {
	if sv.conf.FallbackCommand == "" || sv.command == word {
		return
	}
	sv.command = word
	r.out.fallbackCommand(sv.conf, word)
}

// stopFallbackCommand runs a fallbackcommand that is no longer called with stop,
// if its latest word was start.
func (r *reporter) stopFallbackCommand(sv *service) {
	if sv.command == "start" {
		r.runFallbackCommand(sv, "stop")
	}
	sv.command = ""
}

// tellQuorum tells commands, log and mail that the quorum was reached or lost, once
// for each change, and not before the first checks have ended that it was lost.
func (r *reporter) tellQuorum(now time.Time, sv *service) {
	q, word := &sv.quorum, Lost
	if q.reached {
		word = Reached
	}
	if !sv.watched() || q.told == word || word == Lost && !sv.settled() {
		return
	}
	from := q.told
	q.told = word
	r.runQuorumCommand(sv, word)
	if from == "" && word == Reached {
		return // nothing has happened
	}
	cause := fmt.Sprintf("the usable real servers weigh %d, quorum=%d hysteresis=%d", q.weight, sv.conf.Quorum, sv.conf.Hysteresis)
	r.history.add(Transition{Time: now, Service: sv.conf.ID.String(), Server: "quorum", From: cmp.Or(from, Reached), To: word, Cause: cause})
	r.alerts.at = now
	text := fmt.Sprintf("Quorum %s: %s (usable weight %d, quorum %d)", word, bareName(sv.conf), q.weight, sv.conf.Quorum)
	r.alerts.about(sv, text, "")
	r.alerts.tell(sv.conf, Event{Event: "quorum" + string(word), Weight: q.weight, Text: text})
}

// runQuorumCommand runs the command for a quorum that was reached or lost.
func (r *reporter) runQuorumCommand(sv *service, word State) {
	v, event, line := sv.conf, "quorumup", sv.conf.QuorumUp
	if word == Lost {
		event, line = "quorumdown", sv.conf.QuorumDown
	}
	if line == "" {
		return
	}
	r.out.run("quorum "+v.ID.String(), line, []string{
		"SHUNT_EVENT=" + event,
		"SHUNT_SERVICE=" + v.ID.String(),
		"SHUNT_SERVICENAME=" + v.ServiceName,
		"SHUNT_WEIGHT=" + strconv.Itoa(sv.quorum.weight),
		"SHUNT_QUORUM=" + strconv.Itoa(v.Quorum),
		"SHUNT_HYSTERESIS=" + strconv.Itoa(v.Hysteresis),
	})
}

// endQuorum runs the quorumdown of a service that goes, if its quorum was reached.
func (r *reporter) endQuorum(sv *service) {
	if sv.quorum.told == Reached {
		r.runQuorumCommand(sv, Lost)
	}
	sv.quorum.told = ""
}

// replaceQuorum ends the quorum of old if sv has none, and makes the report to commands
// that are new due.
func (r *reporter) replaceQuorum(sv, old *service) {
	same := func(a, b *config.Virtual) bool { return a.QuorumUp == b.QuorumUp && a.QuorumDown == b.QuorumDown }
	switch {
	case !sv.watched():
		r.endQuorum(old)
	case !same(sv.conf, old.conf):
		old.quorum.told = ""
	}
}

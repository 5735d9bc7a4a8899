package director

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/ratelimit"
)

// A Mail is one alert with its recipients; Options.Mail sends it.
type Mail struct {
	To                   []string
	From                 string // "" for the sender's default
	Relay                string // "" for the local mail program
	Subject              string
	Status               string // starting, running, stopping or reloading
	ServiceName, Comment string
	// Reason is why a check of the real server failed, if that is what the mail
	// is about, and else empty.
	Reason checks.Kind
	// Held is how many mails to the same recipients were held back since the last
	// one that they got.
	Held int
}

// alerts write the mails of a cluster.
type alerts struct {
	global config.Global
	phase  config.AlertStates // of the daemon, as mails name it
	out    effects
	// at is the time of the event that is reported.
	at     time.Time
	limits ratelimit.Limits
}

// server reports that a server entered or left a service, in ldirectord's words,
// because people filter their mail by them.
func (a *alerts) server(sv *service, s *server) {
	where := fmt.Sprintf("real server: %s (%s)", s.conf.Addr, bareName(sv.conf))
	var text string
	switch up, quiescent := s.state() == Up, sv.conf.Quiescent; {
	case s.state() == Kept:
		text = fmt.Sprintf("Kept %s in use although its checks fail: %s", where, sv.keeper(s.kept))
	case s.state() == Drain:
		text = fmt.Sprintf("Draining %s (%s)", where, s.cause)
	case up && quiescent:
		text = fmt.Sprintf("Restored %s (Weight set to %d)", where, s.fullWeight())
	case up:
		text = fmt.Sprintf("Added %s (Weight set to %d)", where, s.fullWeight())
	case quiescent:
		text = fmt.Sprintf("Quiescent %s (Weight set to 0)", where)
	default:
		text = "Deleted " + where
	}
	a.about(sv, text, s.reason())
	a.tell(sv.conf, serverEvent(s, text))
}

// reason returns why checks of a server that is down, or kept in use, fail, and ""
// of any other.
func (s *server) reason() checks.Kind {
	if st := s.state(); st != Down && st != Kept {
		return ""
	}
	return checks.KindOf(s.checks.latest().Err)
}

// purged reports that the servers of gone that are in use leave a service, at a
// stop, or at a start or reload, for which ldirectord has one word.
func (a *alerts) purged(sv *service, gone []*server, when string) {
	for _, s := range gone {
		if s.inUse() {
			text := fmt.Sprintf("Purged real server (%s): %s (%s)", when, s.conf.Addr, bareName(sv.conf))
			a.about(sv, text, "")
			a.tell(sv.conf, Event{Event: "removed", Real: s.conf.Addr.String(), Text: text})
		}
	}
}

// fallback reports that the fallback of a service became active, or standby.
func (a *alerts) fallback(sv *service, on bool) {
	where := fmt.Sprintf("fallback server: %s (%s)", sv.fallbackName(), bareName(sv.conf))
	e := Event{Event: "fallbackdown", Real: sv.fallbackName(), Text: "Deleted " + where}
	if on {
		e.Event, e.Weight, e.Text = "fallbackup", 1, fmt.Sprintf("Added %s (Weight set to 1)", where)
	}
	a.about(sv, e.Text, "")
	a.tell(sv.conf, e)
}

// bareName returns the name of a service in ldirectord's messages: address and
// port, or the mark, without the protocol.
func bareName(v *config.Virtual) string {
	if v.ID.Mark != 0 {
		return fmt.Sprint(v.ID.Mark)
	}
	return v.ID.Addr.String()
}

// about mails text about a service to those who want it; why is why a check
// failed, or empty.
func (a *alerts) about(sv *service, text string, why checks.Kind) {
	v := sv.conf
	if len(v.EmailAlert) == 0 || v.EmailAlertStatus&a.phase == 0 {
		return
	}
	m := Mail{
		To: v.EmailAlert, From: a.global.EmailAlertFrom, Relay: v.SMTP,
		Subject: text, Status: phaseName(a.phase), ServiceName: v.ServiceName, Comment: v.Comment, Reason: why,
	}
	a.limits.Take(a.at, a.global.AlertLimit, strings.Join(append([]string{"mail", m.Relay}, m.To...), " "), func(held int) {
		m.Held = held
		a.out.mail(m)
	})
}

func phaseName(p config.AlertStates) string {
	switch p {
	case config.AlertStarting:
		return "starting"
	case config.AlertStopping:
		return "stopping"
	case config.AlertReloading:
		return "reloading"
	}
	return "running"
}

// schedule starts, hastens or ends the reminders about a server, by its state and
// emailalertfreq.
func (a *alerts) schedule(now time.Time, sv *service, s *server) {
	next, due := now.Add(sv.conf.EmailAlertFreq), s.seldom().remindAt
	switch {
	case sv.conf.EmailAlertFreq <= 0 || !s.missing():
		s.remind(time.Time{})
	case due.IsZero() || due.After(next):
		s.remind(next)
	}
}

// remind has the next reminder about a server be due at a time, zero for none.
func (h *serverHistory) remind(at time.Time) {
	if h.seldom().remindAt != at {
		h.own().remindAt = at
	}
}

// missing reports whether a server that should be in use is known not to be.
func (s *server) missing() bool {
	off := len(s.checks) == 0 && s.state() == Down // checktype=off
	return s.settled() && s.state() != Up && s.ordered() == "" && !off
}

// remindDue sends the reminders about a service's servers that are due.
func (a *alerts) remindDue(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if due := s.seldom().remindAt; due.IsZero() || now.Before(due) {
			continue
		}
		s.remind(time.Time{})
		a.schedule(now, sv, s)
		a.about(sv, fmt.Sprintf("Inaccessible real server: %s (%s)", s.conf.Addr, bareName(sv.conf)), s.reason())
	}
}

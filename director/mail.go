package director

import (
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
)

// A Mail is one alert, addressed and worded; how it travels is not the
// director's business.
type Mail struct {
	To                   []string
	From                 string // "": the sender's choice
	Relay                string // "": the local mail program
	Subject              string
	Status               string // starting, running, stopping or reloading
	ServiceName, Comment string
	// Reason is why a check of the real server failed, if that is what the mail
	// is about, and else empty.
	Reason checks.Kind
}

// mailServer tells that a server entered or left a service, in ldirectord's
// words, because people filter their mail by them.
func (c *cluster) mailServer(sv *service, s *server) {
	where := fmt.Sprintf("real server: %s (%s)", s.conf.Addr, bareName(sv.conf))
	var text string
	switch up, quiescent := s.state() == Up, sv.conf.Quiescent; {
	case up && quiescent:
		text = fmt.Sprintf("Restored %s (Weight set to %d)", where, s.conf.Weight)
	case up:
		text = fmt.Sprintf("Added %s (Weight set to %d)", where, s.conf.Weight)
	case quiescent:
		text = fmt.Sprintf("Quiescent %s (Weight set to 0)", where)
	default:
		text = "Deleted " + where
	}
	c.mailAbout(sv, text, s.reason())
}

// reason returns why checks of a server that is down fail, and "" of any other.
func (s *server) reason() checks.Kind {
	if s.state() != Down {
		return ""
	}
	return checks.KindOf(s.last.err)
}

// mailPurged tells that the servers of gone which are in use leave with it,
// at a stop, or at a start or reload, which are one for ldirectord's words.
func (c *cluster) mailPurged(sv *service, gone []*server, when string) {
	for _, s := range gone {
		if s.state() == Up {
			c.mailAbout(sv, fmt.Sprintf("Purged real server (%s): %s (%s)", when, s.conf.Addr, bareName(sv.conf)), "")
		}
	}
}

func (c *cluster) mailFallback(sv *service, on bool) {
	where := fmt.Sprintf("fallback server: %s (%s)", sv.fallbackName(), bareName(sv.conf))
	if on {
		c.mailAbout(sv, fmt.Sprintf("Added %s (Weight set to 1)", where), "")
	} else {
		c.mailAbout(sv, "Deleted "+where, "")
	}
}

// bareName is a service without its protocol, as ldirectord's messages have
// it: address and port, or the mark.
func bareName(v *config.Virtual) string {
	if v.ID.Mark != 0 {
		return fmt.Sprint(v.ID.Mark)
	}
	return v.ID.Addr.String()
}

func (c *cluster) mailAbout(sv *service, text string, why checks.Kind) {
	v := sv.conf
	if len(v.EmailAlert) == 0 || v.EmailAlertStatus&c.phase == 0 {
		return
	}
	c.out.mail(Mail{
		To: v.EmailAlert, From: c.global.EmailAlertFrom, Relay: v.SMTP,
		Subject: text, Status: phaseName(c.phase), ServiceName: v.ServiceName, Comment: v.Comment, Reason: why,
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

// remind starts, hastens or ends the reminders about a server, as its state
// and emailalertfreq say.
func (c *cluster) remind(now time.Time, sv *service, s *server) {
	next := now.Add(sv.conf.EmailAlertFreq)
	switch {
	case sv.conf.EmailAlertFreq <= 0 || !s.missing():
		s.remindAt = time.Time{}
	case s.remindAt.IsZero() || s.remindAt.After(next):
		s.remindAt = next
	}
}

// missing reports whether a server that should be in use is known not to be.
func (s *server) missing() bool {
	off := s.probe == nil && s.state() == Down // checktype=off
	return s.settled() && s.state() != Up && !off
}

// remindAll sends the reminders about a service's servers that are due.
func (c *cluster) remindAll(now time.Time, sv *service) {
	for _, s := range sv.servers {
		if s.remindAt.IsZero() || now.Before(s.remindAt) {
			continue
		}
		s.remindAt = time.Time{}
		c.remind(now, sv, s)
		c.mailAbout(sv, fmt.Sprintf("Inaccessible real server: %s (%s)", s.conf.Addr, bareName(sv.conf)), s.reason())
	}
}

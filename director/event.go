package director

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
)

// eventVersion is the version of the form of an [Event]. A version may get
// more fields; none of its fields goes or changes its meaning.
const eventVersion = 1

// An Event is one change. Webhooks and notify commands are told of those of a real
// server in use, of a fallback and of a quorum; all are kept for who asks for them. Its
// JSON form is what a webhook gets.
type Event struct {
	Version int `json:"version"`
	// Seq is the number of the event. Numbers grow with each, also over restarts of
	// the director.
	Seq uint64 `json:"seq"`
	// Event is up, kept, down, drain, maintenance or removed, of a real server;
	// order, of an operator about one or a fallback; fallbackup, fallbackdown,
	// quorumreached, quorumlost, unusable and usable (of its real servers the last one
	// has gone, or the first one has come), unserved and served (by the dataplane, as
	// wanted) and repaired, of a service; and of the director started, reload, refused,
	// found (what the configuration waited for) and stopping.
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Host  string    `json:"host"` // the director's
	// Status is the state of the daemon: starting, running, reloading or
	// stopping.
	Status  string `json:"status"`
	Service string `json:"service"`
	Name    string `json:"servicename,omitempty"`
	// Real is the address of the real server, or of the fallback.
	Real   string `json:"real,omitempty"`
	Weight int    `json:"weight"` // in force after the change
	// Kind is why a check failed, in one of the words of [checks.Kind], and
	// Reason in a line.
	Kind   checks.Kind `json:"kind,omitempty"`
	Reason string      `json:"reason,omitempty"`
	// Text is the change in the words of a mail.
	Text string `json:"text"`
	// By is who has ordered it, empty for nobody.
	By string `json:"by,omitempty"`
	// Held is how many events for the same receiver were held back since the
	// last one that it got.
	Held int `json:"held_back,omitempty"`
}

// A Post is an event on its way to a webhook.
type Post struct {
	URL   string
	CA    string // PEM file of whom to trust, "" for the system's
	Event Event
}

// Name names the webhook without what may be secret in its URL.
func (p *Post) Name() string {
	u, err := url.Parse(p.URL)
	if err != nil {
		return "of an unreadable URL"
	}
	return u.Scheme + "://" + u.Host
}

// environment are the variables of a notify command.
func (e *Event) environment() []string {
	return []string{
		"SHUNT_EVENT=" + e.Event, "SHUNT_TIME=" + e.Time.UTC().Format(time.RFC3339), "SHUNT_HOST=" + e.Host, "SHUNT_STATUS=" + e.Status,
		"SHUNT_SERVICE=" + e.Service, "SHUNT_SERVICENAME=" + e.Name, "SHUNT_REAL=" + e.Real, "SHUNT_WEIGHT=" + fmt.Sprint(e.Weight),
		"SHUNT_KIND=" + string(e.Kind), "SHUNT_REASON=" + e.Reason, "SHUNT_TEXT=" + e.Text,
	}
}

// note keeps an event, of a service or, with nil, of the director, and returns it with
// all that events have in common.
func (a *alerts) note(v *config.Virtual, e Event) Event {
	e.Version, e.Time, e.Status = eventVersion, a.at, phaseName(a.phase)
	e.Host, _ = os.Hostname() // the kernel always has one
	if v != nil {
		e.Service, e.Name = v.ID.String(), v.ServiceName
	}
	e.Seq = a.out.record(e)
	return e
}

// tell keeps an event and sends it to the notify command of its service and to its
// webhook, if there are any; each gets events in their order.
func (a *alerts) tell(v *config.Virtual, e Event) {
	e = a.note(v, e)
	if v.Notify != "" {
		a.out.run("notify "+v.ID.String(), v.Notify, e.environment())
	}
	if v.Webhook != "" {
		p := Post{URL: v.Webhook, CA: a.global.WebhookCA, Event: e}
		a.limits.Take(e.Time, a.global.AlertLimit, p.URL, func(held int) {
			p.Event.Held = held
			a.out.post(p)
		})
	}
}

// serverEvent is the event that a real server's state is.
func serverEvent(s *server, text string) Event {
	e := Event{Event: string(s.state()), Real: s.conf.Addr.String(), Weight: s.weight(), Kind: s.reason(), Text: text}
	if s.state() != Up {
		e.Reason = s.cause
	}
	return e
}

package text

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// A Level says how much a problem matters. Greater is worse.
type Level int

// The levels of problems, with Nagios' words.
const (
	Note     Level = iota // somebody wants it so, or it harms nobody
	Warning               // something is out of use, and clients do not notice
	Critical              // clients notice, or what is in force is not what is configured
)

func (l Level) String() string { return [...]string{"note", "warning", "critical"}[l] }

// A Problem is one thing that an operator may have to act on.
type Problem struct {
	Level Level
	// Subject is what it is about: a virtual service with its name, "configuration",
	// "dataplane", "shunt".
	Subject string
	// Text says in a clause what is wrong and since when, and Details are further
	// lines, bounded in number.
	Text    string
	Details []string
	// Service is the service that it is about, "" for none, and Server the real
	// server.
	Service, Server string
}

// Problems returns what is wrong in st at now, the worst first, and among equals in
// the order of the configuration.
func Problems(st director.Status, now time.Time) []Problem {
	all := slices.Concat(ofConfig(st.Config, now), ofDataplane(st.Dataplane))
	for _, sv := range st.Services {
		all = append(all, ofService(sv, now)...)
	}
	if err := Unready(st); err != nil && !slices.ContainsFunc(all, explainsUnready) {
		all = append(all, Problem{Level: Critical, Subject: "shunt", Text: "not ready: " + err.Error()})
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return int(b.Level - a.Level) })
	return all
}

// explainsUnready reports whether p says by itself why a director is not ready.
func explainsUnready(p Problem) bool {
	return p.Service != "" && (strings.HasPrefix(p.Text, notServed) || strings.HasPrefix(p.Text, changed))
}

// The beginnings of texts that explain why a director is not ready.
const (
	notServed = "not served as configured"
	changed   = "changed by somebody else"
)

func ofConfig(c director.ConfigStatus, now time.Time) (all []Problem) {
	add := func(l Level, text string, details ...string) {
		all = append(all, Problem{Level: l, Subject: "configuration", Text: text, Details: first(details)})
	}
	if c.ReloadError != "" {
		add(Critical, fmt.Sprintf("RELOAD REFUSED %s ago; the configuration from before stays in force", Ago(now, c.ReloadTried)),
			strings.Split(c.ReloadError, "\n")...)
	}
	if n := len(c.Waiting); n > 0 {
		add(Warning, fmt.Sprintf("waiting for %d that it names and is not there; shunt looks again", n), c.Waiting...)
	}
	if n := len(c.Warnings); n > 0 {
		add(Note, fmt.Sprintf("warnings: %d", n), c.Warnings...)
	}
	return all
}

func ofDataplane(d director.DataplaneStatus) (all []Problem) {
	if d.Error != "" {
		all = append(all, Problem{Level: Critical, Subject: "dataplane", Text: "it cannot be read, connections show as 0: " + d.Error})
	}
	if lines := full(d.Load); len(lines) > 0 {
		all = append(all, Problem{Level: Warning, Subject: "dataplane", Text: "FULL: " + lines[0], Details: lines[1:]})
	}
	return all
}

func ofService(sv director.ServiceStatus, now time.Time) (all []Problem) {
	add := func(l Level, server, text string, details ...string) {
		all = append(all, Problem{Level: l, Subject: titleOf(sv), Text: text, Details: first(details), Service: sv.Service, Server: server})
	}
	if sv.Error != "" {
		add(Critical, "", notServed+": "+sv.Error)
	}
	if len(sv.Changed) > 0 {
		add(Critical, "", changed+", put right within seconds", sv.Changed...)
	}
	if l, text := outOfService(sv, now); text != "" {
		add(l, "", text)
	}
	if text := failing(sv); text != "" {
		add(Critical, "", "servers with failing checks serve: "+text)
	}
	if sv.Full {
		add(Warning, "", "FULL: clients wait to be accepted")
	}
	if len(sv.Warnings) > 0 {
		add(Warning, "", sv.Warnings[0], sv.Warnings[1:]...)
	}
	for _, rs := range sv.Servers {
		if l, text := ofServer(rs, now); text != "" {
			add(l, rs.Server, rs.Server+" "+text)
		}
		if len(rs.Warnings) > 0 {
			add(Warning, rs.Server, rs.Server+": "+rs.Warnings[0], rs.Warnings[1:]...)
		}
		if e := expiry(now, rs); e != "" && rs.State != director.Down && rs.State != director.Kept {
			add(Warning, rs.Server, rs.Server+": "+e)
		}
	}
	return all
}

// outOfService says that no real server of sv is given clients, and what they get
// instead; "" while one is. Its fallback may be active because an operator wants it.
func outOfService(sv director.ServiceStatus, now time.Time) (Level, string) {
	since := ""
	if t := latestChange(sv); !t.IsZero() {
		since = " for " + Ago(now, t)
	}
	switch {
	case sv.Starting:
		return Note, ""
	case sv.FallbackActive && sv.Admin != nil && sv.Admin.State == director.Active:
		return Warning, fmt.Sprintf("fallback ACTIVE (%s)%s", sv.Fallback, ordered(*sv.Admin, now))
	case sv.FallbackActive && sv.Quorum != nil && sv.Quorum.Weight > 0:
		return Critical, fmt.Sprintf("fallback ACTIVE (%s): %s", sv.Fallback, quorum(*sv.Quorum))
	case sv.FallbackActive:
		return Critical, fmt.Sprintf("fallback ACTIVE (%s): no usable real server%s", sv.Fallback, since)
	case !Usable(sv) && sv.Fallback == "":
		return Critical, "no usable real server" + since + "; no fallback"
	case !Usable(sv):
		return Critical, "no usable real server" + since + "; its fallback is on standby"
	case sv.Quorum != nil && !sv.Quorum.Reached:
		return Critical, quorum(*sv.Quorum)
	}
	return Note, ""
}

// latestChange is when the last real server of sv changed its state.
func latestChange(sv director.ServiceStatus) (latest time.Time) {
	for _, rs := range sv.Servers {
		if rs.Since.After(latest) {
			latest = rs.Since
		}
	}
	return latest
}

// ofServer says why rs is not given all the clients that the configuration wants,
// "" if it is.
func ofServer(rs director.ServerStatus, now time.Time) (Level, string) {
	why := ""
	if t := Trouble(now, rs); t != "" {
		why = ": " + t
	}
	switch rs.State {
	case director.Down:
		return Warning, "DOWN for " + Ago(now, rs.Since) + why
	case director.Kept:
		return Warning, "KEPT for " + Ago(now, rs.Since) + why
	case director.Drain, director.Maintenance:
		return operators(rs, now)
	}
	if a := rs.Admin; a != nil {
		return unsaved(*a), "has an ordered weight" + ordered(*a, now)
	}
	return Note, ""
}

// operators says who keeps rs out, and how far that has come.
func operators(rs director.ServerStatus, now time.Time) (Level, string) {
	word := "drained"
	if rs.State == director.Maintenance {
		word = "in maintenance"
	}
	text, l := word+" for "+Ago(now, rs.Since)+": "+rs.Cause, Note
	if rs.Admin != nil {
		text, l = word+ordered(*rs.Admin, now), unsaved(*rs.Admin)
	}
	if n := rs.Active; n > 0 {
		text += fmt.Sprintf("; active connections left: %d", n)
	}
	if rs.Result != "" {
		text += "; not well: " + rs.Result
	}
	return l, text
}

// ordered says who ordered something, when and why.
func ordered(a director.Admin, now time.Time) string {
	text := fmt.Sprintf(" by %s %s ago", a.By, Ago(now, a.At))
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	if !a.Saved {
		text += "; NOT SAVED: a restart loses it"
	}
	return text
}

// unsaved is the level of an order: a restart of shunt must not undo it.
func unsaved(a director.Admin) Level {
	if a.Saved {
		return Note
	}
	return Warning
}

// titleOf names sv by its address and its servicename.
func titleOf(sv director.ServiceStatus) string {
	if sv.Name == "" {
		return sv.Service
	}
	return sv.Service + " (" + sv.Name + ")"
}

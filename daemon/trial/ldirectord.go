package trial

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
)

// A difference is a way in which ldirectord judges otherwise.
type difference struct {
	checks []string
	// is reports whether it is so of this result.
	is   func(director.Trial, Result) bool
	text string
}

// differences are those that a result shows. CONFIGURATION.md has all of them.
var differences = []difference{
	{[]string{"ping"}, good(func(t director.Trial, _ Result) bool { return t.Target.Addr.Addr().Unmap().Is6() }), "its ping of an IPv6 address never succeeds: down"},
	{[]string{"external", "external-perl"}, killed, "it takes a program that a signal has ended for a success: up"},
	{[]string{"http"}, statusless, "it takes an answer without a status line for a good page: up"},
	{[]string{"https"}, good(selfSigned), "with Debian's libraries it verifies the chain, and a self-signed certificate fails there: down"},
	{[]string{"simpletcp"}, good(func(t director.Trial, _ Result) bool {
		return t.Target.Receive == nil && strings.Contains(t.Target.Request, `\n`)
	}), `it never succeeds when the request has a \n and receive is empty: down`},
	{[]string{"pop", "pops"}, bad(func(t director.Trial, _ Result) bool { return t.Target.Login == "" }), "without a login it takes any real server for well, even when nobody listens: up"},
	{[]string{"ftp"}, bad(func(t director.Trial, _ Result) bool { return t.Target.Receive == nil }), "without receive it takes any real server for well, even when nobody listens: up"},
	{[]string{"dns"}, good(func(t director.Trial, _ Result) bool { return t.Target.Receive == nil }), "without receive it always fails: down"},
	{[]string{"pops", "imaps"}, good(selfSigned), "it verifies the chain and the name against the address, and a self-signed certificate fails there: down"},
	{[]string{"imap", "imaps"}, otherPort, "it asks the usual port of the service whatever checkport and the real server's line say"},
	{[]string{"pop", "pops", "imap", "imaps", "mysql", "pgsql", "oracle"}, func(_ director.Trial, r Result) bool { return r.Kind == checks.Timeout }, "its check has no limit here, or one that is not kept: it may stand still, and all other checks with it"},
}

// own are the services that ldirectord does not have.
func own(service string) bool {
	return !slices.Contains([]string{
		"connect", "ping", "external", "external-perl", "dns", "ftp", "http", "https", "http_proxy", "imap", "imaps", "ldap", "ldaps",
		"mysql", "nntp", "none", "oracle", "pgsql", "pop", "pops", "radius", "simpletcp", "sip", "smtp", "submission",
	}, service)
}

// elsewhere says how ldirectord would judge otherwise, and nothing where the
// result does not show that it would.
func elsewhere(t director.Trial, r Result) string {
	if t.Further != "" {
		word, _, _ := strings.Cut(t.Further, "=")
		return fmt.Sprintf("it has no directive %s, and refuses the file", word)
	}
	if own(t.Check) {
		return fmt.Sprintf("it has no check called %s, and refuses the file", t.Check)
	}
	if to := redirect(t, r); to != "" {
		return fmt.Sprintf("it follows the redirect to %s itself, and takes that answer for the real server's", to)
	}
	for _, d := range differences {
		if slices.Contains(d.checks, t.Check) && d.is(t, r) {
			return d.text
		}
	}
	return ""
}

func good(is func(director.Trial, Result) bool) func(director.Trial, Result) bool {
	return func(t director.Trial, r Result) bool { return r.OK && is(t, r) }
}

func bad(is func(director.Trial, Result) bool) func(director.Trial, Result) bool {
	return func(t director.Trial, r Result) bool { return !r.OK && is(t, r) }
}

// killed reports whether a signal has ended a program before its time was over.
func killed(_ director.Trial, r Result) bool {
	return r.Kind == checks.Command && slices.ContainsFunc(r.Events, func(e checks.TraceEvent) bool {
		return e.Kind == checks.TraceNoted && strings.HasPrefix(e.Text, "signal: ")
	})
}

func statusless(t director.Trial, r Result) bool {
	return r.Kind == checks.Protocol && t.Target.Receive == nil && received(r) != "" && !strings.HasPrefix(received(r), "HTTP/")
}

func selfSigned(_ director.Trial, r Result) bool {
	return slices.ContainsFunc(r.Events, func(e checks.TraceEvent) bool {
		return e.Kind == checks.TraceTLS && strings.Contains(e.Text, checks.SelfSigned)
	})
}

func otherPort(t director.Trial, _ Result) bool {
	usual := map[string]uint16{"imap": 143, "imaps": 993}[t.Check]
	return t.Virtual.CheckType != config.CheckConnect && t.Target.Addr.Addr().Unmap().Is4() && t.Target.Addr.Port() != usual
}

// redirect returns the host of the first redirect of an HTTP check that leads
// away from the real server's address, empty if none does.
func redirect(t director.Trial, r Result) string {
	if t.Check != "http" && t.Check != "https" {
		return ""
	}
	for _, e := range r.Events {
		if e.Kind != checks.TraceReceived {
			continue
		}
		head, _, _ := cutHead(e.Text)
		for line := range strings.Lines(head) {
			name, value, _ := strings.Cut(line, ":")
			to, err := url.Parse(strings.TrimSpace(value))
			if strings.EqualFold(name, "location") && err == nil && to.Host != "" && to.Hostname() != t.Target.Addr.Addr().String() && redirects(head) {
				return oneLine(to.Host)
			}
		}
	}
	return ""
}

// redirects reports whether the head of an answer has a status that leads on.
func redirects(head string) bool {
	words := strings.Fields(head)
	return len(words) > 1 && slices.Contains([]string{"301", "302", "303", "307", "308"}, words[1])
}

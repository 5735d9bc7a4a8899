package admin

import (
	"strings"

	"github.com/shunt-lb/shunt/director"
)

// reasons are the words that a metric may say a failed check with, and the
// parts of an error's text by which each is known. The first that fits wins:
// what the system said comes before what the protocol said, because the text
// of an answer may hold anything. METRICS.md explains them.
var reasons = []struct {
	word  string
	parts []string
}{
	{"refused", []string{"connection refused"}},
	{"timeout", []string{"timed out", "timeout", "deadline exceeded", "without an answer", "no answer", "no reply"}},
	{"unreachable", []string{"unreachable", "no route to host", "network is down", "host is down", "too many hops"}},
	{"closed", []string{"connection closed", "connection reset", "broken pipe"}},
	{"dns", []string{"no such host", "server misbehaving"}},
	{"tls", []string{"tls: ", "x509: ", "certificate", "handshake"}},
	{"status", []string{"status ", "redirect"}},
	{"auth", []string{"authentication", "login", "password", "access denied"}},
	{"mismatch", []string{"not match", "mismatch", "unexpected", "want "}},
}

// reason says in one of a few words, fit for a label, what r's latest check
// came to: "ok", "unchecked", "command", one of reasons, or "other".
func reason(r *director.ServerStatus) string {
	switch {
	case r.Checked.IsZero():
		return "unchecked"
	case r.Result == "":
		return "ok"
	}
	// The check and what it asked come first: "http 192.0.2.1:80: status 503".
	check, text, found := strings.Cut(strings.ToLower(r.Result), ": ")
	if !found {
		check, text = "", check
	}
	word := classify(text)
	if strings.HasPrefix(check, "external") && word != "timeout" {
		return "command" // whatever it wrote
	}
	return word
}

func classify(text string) string {
	for _, why := range reasons {
		for _, part := range why.parts {
			if strings.Contains(text, part) {
				return why.word
			}
		}
	}
	return "other"
}

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
	{"timeout", []string{"timeout", "timed out", "deadline exceeded", "no answer", "no reply"}},
	{"unreachable", []string{"unreachable", "no route to host", "network is down", "host is down"}},
	{"closed", []string{"connection reset", "broken pipe", "unexpected eof", ": eof", "closed by", "closed the connection"}},
	{"dns", []string{"no such host", "server misbehaving", "lookup "}},
	{"tls", []string{"tls:", "x509:", "certificate", "handshake"}},
	{"command", []string{"exit status", "exit code", "exited", "signal: ", "fork/exec", "executable"}},
	{"auth", []string{"authentication", "login", "password", "access denied"}},
	{"status", []string{"status "}},
	{"mismatch", []string{"not match", "mismatch", "unexpected", "want "}},
}

// reason says in one of a few words, fit for a label, what r's latest check
// came to: "ok", "unchecked", one of reasons, or "other".
func reason(r *director.ServerStatus) string {
	switch {
	case r.Checked.IsZero():
		return "unchecked"
	case r.Result == "":
		return "ok"
	}
	text := strings.ToLower(r.Result)
	for _, why := range reasons {
		for _, part := range why.parts {
			if strings.Contains(text, part) {
				return why.word
			}
		}
	}
	return "other"
}

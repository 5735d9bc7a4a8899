package config

import (
	"fmt"
	"strings"

	"github.com/shunt-lb/shunt/internal/services"
	"github.com/shunt-lb/shunt/internal/statuses"
)

// receiveStatus is a list that package statuses reads.
var receiveStatus = bind("statuses and ranges, separated by commas", func(f *field) (string, bool) {
	f.straighten()
	f.comment(false)
	list, err := statuses.Parse(strings.Trim(f.val, `"`))
	if err != nil {
		return "", f.fail(f.valAt, err.Error(), "write three digits: receivestatus=200-299,401")
	}
	if list == statuses.Usual {
		list = ""
	}
	return list, true
}, asIs)(func(t target) *string { return &t.v.ReceiveStatus })

var httpVersion = bind("`1` or `2`", func(f *field) (int, bool) {
	f.comment(false)
	switch strings.Trim(f.val, `"`) {
	case "1", "1.1":
		return 1, true
	case "2", "2.0":
		return 2, true
	}
	return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no httpversion", f.val), "write 1 or 2")
}, writeCount)(func(t target) *int { return &t.v.HTTPVersion })

// digestLength is that of a SHA-256 in hexadecimal.
const digestLength = 64

var bodyDigest = bind("`sha256:` and 64 hexadecimal digits", func(f *field) (string, bool) {
	f.comment(false)
	algorithm, digits, _ := strings.Cut(strings.ToLower(strings.Trim(f.val, `"`)), ":")
	switch {
	case algorithm != "sha256":
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no bodydigest", f.val), "write sha256: and what `sha256sum` says of the page")
	case len(digits) != digestLength || strings.Trim(digits, "0123456789abcdef") != "":
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no SHA-256: that has %d hexadecimal digits", digits, digestLength), "`sha256sum` says it of the page")
	}
	return digits, true
}, func(digits string) string {
	if digits == "" {
		return ""
	}
	return "sha256:" + digits
})(func(t target) *string { return &t.v.BodyDigest })

// maxHeaders is how many headers a section adds.
const maxHeaders = 50

// header adds one line to requests. Its value may be a password.
var header = value{
	kind: "`NAME: VALUE`, quotes optional",
	set: func(f *field, t target) bool {
		text, ok := f.quoted(true)
		if !ok {
			return false
		}
		name, value, found := strings.Cut(text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch why := notOwn[strings.ToLower(name)]; {
		case !found || name == "" || strings.ContainsFunc(name, notInName):
			return f.fail(f.valAt, "that is no header", "write header=NAME: VALUE")
		case why != "":
			return f.fail(f.valAt, fmt.Sprintf("the header %s cannot be set", name), why)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return f.fail(f.valAt, fmt.Sprintf("the header %s has a control character", name), "")
		case len(t.v.Headers) == maxHeaders:
			return f.fail(f.keyAt, fmt.Sprintf("more than %d lines with `header`", maxHeaders), "")
		}
		t.v.Headers = append(t.v.Headers, name+": "+value)
		return true
	},
	get: func(t target) []string {
		if t.v == nil {
			return nil
		}
		var all []string
		for _, h := range t.v.Headers {
			all = append(all, inQuotes(h))
		}
		return all
	},
}

// notOwn are the headers that a check writes itself, with a hint for each.
var notOwn = map[string]string{
	"host":              "virtualhost is the Host header",
	"connection":        "a check uses each connection once: remove the line",
	"keep-alive":        "a check uses each connection once: remove the line",
	"upgrade":           "a check asks for HTTP/2 with httpversion=2",
	"content-length":    "the request has no body: remove the line",
	"transfer-encoding": "the request has no body: remove the line",
	"te":                "remove the line",
	"trailer":           "remove the line",
	"expect":            "the request has no body: remove the line",
}

// notInName reports whether r cannot stand in the name of a header (RFC 9110
// section 5.6.2).
func notInName(r rune) bool {
	return r >= 0x80 || !isAlnum(byte(r)) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// web warns of lines about HTTP if the check speaks none, and of a digest that
// cannot match.
func (r *review) web() {
	for _, name := range []string{"receivestatus", "header", "httpversion", "bodydigest"} {
		s := r.sec.body.lastOf(name)
		switch {
		case s == nil:
		case !r.v.negotiates() || !r.v.service().Uses.Has(services.Web):
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect: the check speaks no HTTP", name), "remove the line")
		case name == "bodydigest" && r.v.HTTPMethod == "HEAD":
			r.warn(s, s.keyAt, "the answer to HEAD has no body: the digest never matches", "write httpmethod=GET, or remove bodydigest")
		}
	}
	if s := r.sec.body.lastOf("httpversion"); s != nil && r.v.HTTPVersion == 2 && r.v.Service == "http_proxy" {
		r.warn(s, s.keyAt, "`httpversion` has no effect: a proxy is asked by HTTP/1.1", "remove the line")
	}
}

// headerText returns a header without its value, which may be a password.
func headerText(h string) string {
	name, _, _ := strings.Cut(h, ":")
	return strings.TrimPrefix(name, `"`) + ": ***"
}

// HeaderLines returns the headers, each with a newline at its end.
func (v *Virtual) HeaderLines() string {
	if len(v.Headers) == 0 {
		return ""
	}
	return strings.Join(v.Headers, "\n") + "\n"
}

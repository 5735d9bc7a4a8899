package config

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/source"
	"github.com/shunt-lb/shunt/config/internal/suggest"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
)

var alertWords = []struct {
	word  string
	state AlertStates
}{
	{"starting", AlertStarting},
	{"running", AlertRunning},
	{"stopping", AlertStopping},
	{"reloading", AlertReloading},
}

// String returns the states as emailalertstatus lists them: all, none, or
// words with commas.
func (a AlertStates) String() string {
	switch a & AlertAll {
	case 0:
		return "none"
	case AlertAll:
		return "all"
	}
	var words []string
	for _, w := range alertWords {
		if a&w.state != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

func readAlertStates(f *field) (AlertStates, bool) {
	f.straighten()
	f.comment(true)
	f.dequote()
	if f.val == "" {
		f.warn(f.valAt, "an empty emailalertstatus is none", "write emailalertstatus=none")
		return 0, true
	}
	var all AlertStates
	words := strings.Split(f.val, ",")
	for _, w := range words {
		w = strings.TrimSpace(w)
		if w == "none" {
			if len(words) > 1 {
				return 0, f.fail(f.valAt, "`none` stands beside another state", "write none alone")
			}
			return 0, true
		}
		s, ok := alertState(w)
		if !ok {
			return 0, f.fail(f.valAt+strings.Index(f.val, w), fmt.Sprintf("`%s` is no emailalertstatus", w),
				suggest.Choice(w, []string{"all", "none", "starting", "running", "stopping", "reloading"}))
		}
		all |= s
	}
	return all, true
}

func alertState(word string) (AlertStates, bool) {
	if word == "all" {
		return AlertAll, true
	}
	for _, w := range alertWords {
		if w.word == word {
			return w.state, true
		}
	}
	return 0, false
}

// readAddresses reads mail addresses. Quotes around the whole value go; a comma
// inside of other quotes separates nothing.
func readAddresses(f *field) ([]string, bool) {
	f.straighten()
	open := never
	if strings.HasPrefix(f.val, `"`) {
		open = unclosed
	} else if f.global {
		open = unlessBlank
	}
	if f.cut(open) && f.global {
		f.foundComment(false)
	}
	v := f.val
	if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	if strings.Count(v, `"`)%2 != 0 {
		return nil, f.fail(f.valAt, "no closing quote", "")
	}
	if strings.Contains(v, "#") && !f.global {
		f.hashInQuotes(f.valAt + strings.Index(f.val, "#"))
	}
	v, ok := f.filled(strings.TrimSpace(v))
	if !ok {
		return nil, false
	}
	list := splitAddresses(v)
	for _, a := range list {
		checkMailAddress(f, a)
	}
	switch {
	case len(list) == 0:
		return nil, f.fail(f.valAt, "`emailalert` is empty", "leave the line out")
	case len(list) > maxAddresses:
		return nil, f.fail(f.valAt, fmt.Sprintf("`emailalert` has %d addresses", len(list)), fmt.Sprintf("the most is %d", maxAddresses))
	}
	return list, true
}

// maxAddresses is how many addresses get a mail.
const maxAddresses = 100

const blanksAndMarks = " \t<>;()\""

// checkMailAddress warns of a text that a relay will not accept as an address.
// Addresses are a user of this host, user@host, or either in angle brackets
// behind a name.
func checkMailAddress(f *field, a string) {
	inner := a
	if open := strings.LastIndexByte(a, '<'); open >= 0 && strings.HasSuffix(a, ">") {
		inner = a[open+1 : len(a)-1]
	}
	user, host, split := strings.Cut(inner, "@")
	if user != "" && (host != "") == split && !strings.ContainsAny(user, blanksAndMarks) && !strings.ContainsAny(host, blanksAndMarks+"@") {
		return
	}
	hint := "write user@host"
	if strings.ContainsAny(a, " ;") {
		hint = "write user@host, several with commas between them"
	}
	f.warn(f.valAt, fmt.Sprintf("`%s` is no mail address", a), hint)
}

var sender = noticed(rest(func(t target) *string { return &t.g.EmailAlertFrom }), func(f *field, t target) { checkMailAddress(f, t.g.EmailAlertFrom) })

func splitAddresses(v string) []string {
	var list []string
	quoted, start := false, 0
	for i := range len(v) + 1 {
		switch {
		case i == len(v) || v[i] == ',' && !quoted:
			if a := strings.TrimSpace(v[start:i]); a != "" {
				list = append(list, a)
			}
			start = i + 1
		case v[i] == '"':
			quoted = !quoted
		}
	}
	return list
}

func writeAddresses(list []string) string { return inQuotes(strings.Join(list, ", ")) }

// readRelay reads a host with or without a port. ldirectord cuts the port off.
func readRelay(f *field) (string, bool) {
	f.straighten()
	f.comment(false)
	f.dequote()
	e, behind := takeHost(f.val, f.valAt, hostChars)
	switch {
	case e.six || e.host == "":
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no host", f.val), "write a host name or an IPv4 address")
	case strings.HasPrefix(behind, ":"):
		return readRelayPort(f, e.host, behind[1:])
	case behind != "":
		f.warn(f.valAt+len(e.host), "text behind the host is ignored", "remove it")
	}
	return e.host, true
}

func readRelayPort(f *field, host, port string) (string, bool) {
	at := f.valAt + len(host)
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", f.fail(at, fmt.Sprintf("`%s` is no port", port), "write a number from 1 to 65535, or none for 25")
	}
	f.warn(at, "ldirectord ignores this port and takes 25", "")
	return host + ":" + port, true
}

// maxURL is how long the URL of a webhook may be.
const maxURL = 2048

var (
	webhook    = bind("URL of http or https; or `none`", readWebhook, writeWebhook)
	notify     = bind("command, quotes optional", readNotify, inQuotes)
	pemFile    = bind("path of a PEM file", readPEMFile, asIs)
	alertLimit = bind("NUMBER/DURATION, such as 10/m, or 0", readRate, writeLimit)
)

func writeLimit(r dataplane.Rate) string {
	if r.Count == 0 {
		return ""
	}
	return writeRate(r)
}

// readWebhook reads a URL. No message shows it, since it may contain a password.
func readWebhook(f *field) (string, bool) {
	text, ok := f.quoted(true)
	if !ok || text == "none" {
		return "", ok
	}
	u, err := url.Parse(text)
	if err != nil || strings.ContainsAny(text, " \t") || len(text) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return "", f.fail(f.valAt, "`webhook` is not a URL that can be posted to", "write https://HOST/PATH or http://HOST:PORT/PATH, without blanks and without a #")
	}
	return text, true
}

func writeWebhook(u string) string {
	if u == "" {
		return "none"
	}
	return inQuotes(u)
}

// readNotify reads a command line for the shell.
func readNotify(f *field) (string, bool) {
	command, ok := f.quoted(true)
	if ok {
		warnMissingProgram(f, command)
	}
	return command, ok
}

// readPEMFile reads the path of a file with certificates. A missing file is no
// error: it is read with each use.
func readPEMFile(f *field) (string, bool) {
	path, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	if !strings.HasPrefix(path, "/") {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no absolute path", path), "write /...")
	}
	text, err := files.Read(path, source.MaxSize)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s has no certificate in the form PEM", path)
	}
	if err != nil {
		f.warn(f.valAt, fmt.Sprintf("`%s` cannot be used: %v", f.key, err), "no event is delivered over https until it can")
	}
	return path, true
}

// Package format recognises files that are given for a configuration by
// mistake.
package format

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// sample is how many bytes of a file are looked at.
const sample = 64 << 10

// Guess returns what text is if it looks like something other than an
// ldirectord.cf: "a shell script", "text in UTF-16". It returns "" for everything
// else.
func Guess(text []byte) string {
	text = text[:min(len(text), sample)]
	what := magic(text)
	switch {
	case what == "" && notText(text):
		return "binary data"
	case what == "":
		return format(string(text))
	}
	return what
}

// UTF16 is the result of Guess for text that has to be saved as UTF-8.
const UTF16 = "text in UTF-16"

// magics are the beginnings of files that are no text.
var magics = []struct{ begin, what string }{
	{"\xff\xfe", UTF16},
	{"\xfe\xff", UTF16},
	{"\x7fELF", "a program"},
	{"\x1f\x8b", "a gzip file"},
	{"BZh", "a bzip2 file"},
	{"\xfd7zXZ", "an xz file"},
	{"\x28\xb5\x2f\xfd", "a zstd file"},
	{"PK\x03\x04", "a zip file"},
	{"%PDF-", "a PDF file"},
	{"SQLite format 3\x00", "a database"},
}

func magic(text []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(text, []byte(m.begin)) {
			return m.what
		}
	}
	return ""
}

// notText reports whether a twentieth of text are bytes that no text has.
func notText(text []byte) bool {
	odd := 0
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != 0x1b {
			odd++
		}
		rest = rest[n:]
	}
	return odd > 8+len(text)/20
}

// A look describes the lines of files of one kind.
type look struct {
	what  string
	lines *regexp.Regexp
	least int // as many of the lines have it, in percent; 0: one is enough
}

func looks() []look {
	line := func(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)`) }
	return []look{
		{what: "a keepalived.conf", lines: line(`\s*(global_defs|vrrp_(instance|script|sync_group|track_process)\s.*|virtual_server(_group)?\s.*|real_server\s.*)\s*\{?\s*$`)},
		{what: "an haproxy.cfg", lines: line(`(global|defaults|(frontend|backend|listen|resolvers|peers|userlist)\s+\S+.*)\s*$`)},
		{what: "an nginx.conf", lines: line(`\s*(events|http|stream|server|upstream\s+\S+|location\s.*)\s*\{|worker_processes\s.*;`)},
		{what: "a Piranha lvs.cf", lines: line(`(virtual|failover)\s+\S+\s*\{|serial_no\s*=`)},
		{what: "rules of ipvsadm", lines: line(`-[ADEa]\s+-[tuf]\s|IP Virtual Server version`)},
		{what: "rules of a firewall", lines: line(`\*(filter|nat|mangle|raw)\s*$|-A [A-Z_-]+\s|(flush ruleset|table (inet|ip6?|arp|bridge|netdev)\s)`)},
		{what: "a shell script", lines: line(`(if \[|fi\s*$|done\s*$|esac\s*$|export \w+=|set -[eux]|(function )?\w+ ?\(\) ?\{)`)},
		{what: "an Apache configuration", lines: line(`\s*</?(VirtualHost|Directory|IfModule|Location|Proxy)\b`)},
		{what: "a web page", lines: line(`\s*(<!DOCTYPE|<html|<head|</?div|<body)`)},
		{what: "XML", lines: line(`\s*<(\?xml|/?[a-z][\w-]*(\s[^<]*)?>)`), least: 50},
		{what: "a key or certificate", lines: line(`-----BEGIN `)},
		{what: "a unit of systemd", lines: line(`\[(Unit|Service|Install|Socket|Timer)\]\s*$`)},
		{what: "a patch", lines: line(`(diff --git |--- a/|\+\+\+ b/|@@ -\d)`)},
		{what: "JSON", lines: line(`\s*([{}\[\]]+,?\s*$|"[^"]*"\s*[:,]|\{")`), least: 50},
		{what: "YAML", lines: line(`\s*(---\s*$|- |[\w.-]+:(\s|$))`), least: 80},
		{what: "a list of hosts", lines: line(`(\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]+)\s+[A-Za-z]`), least: 80},
		{what: "kernel settings", lines: line(`(net|kernel|vm|fs)(\.[\w-]+)+\s*=`), least: 80},
		{what: "a log", lines: line(stamp), least: 50},
	}
}

// stamp is how lines of logs begin: with a time, or an address and a time.
const stamp = `(<\d+>)?(` +
	`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ` + // syslog
	`|\[?(\w{3} )?\w{3} [ \d]\d \d\d:\d\d:\d\d ` + // ldirectord
	`|\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d` + // ISO 8601
	`|\[ *\d+\.\d+\] ` + // dmesg
	`|\S+ \S+ \S+ \[\d\d/\w{3}/\d{4}:` + // web servers
	`|time=\S+ level=|\{"(time|ts|timestamp|level)":)`

// few is how many lines a file needs for their share to mean something.
const few = 4

// format returns what text is by its lines, "" if their look is unknown.
func format(text string) string {
	all := strings.Split(text, "\n")
	for _, l := range looks() {
		have, of := 0, 0
		for _, line := range all {
			if line = strings.TrimRight(line, "\r"); line == "" || line[0] == '#' {
				continue
			}
			of++
			if l.lines.MatchString(line) {
				have++
			}
		}
		if have > 0 && 100*have >= l.least*of && (of >= few || l.least == 0) {
			return l.what
		}
	}
	return ""
}

package config

import (
	"fmt"
	"slices"
	"strings"
)

// misplaced reports a directive that cannot stand where it does.
func (c *collector) misplaced(s *stmt, where scope) {
	name := s.key
	switch d := byName[name]; {
	case d != nil && where == inSection:
		c.fail(s, s.keyAt, fmt.Sprintf("`%s` is a global directive", name), "move it out of the section, to the first column")
	case d != nil:
		c.fail(s, s.keyAt, fmt.Sprintf("`%s` belongs in a section", name), "write it below a `virtual` line, indented with 4 blanks or a tab")
	case slices.Contains(planned, name):
		c.fail(s, s.keyAt, fmt.Sprintf("`%s` is not supported by this version", name), "remove the line")
	default:
		c.fail(s, s.keyAt, fmt.Sprintf("unknown directive `%s`", name), c.meant(name, where))
	}
}

// meant guesses as the function does, for as many names as are reported: who
// guesses a million times takes minutes.
func (c *collector) meant(name string, where scope) string {
	key := guess{name, where}
	hint, known := c.guesses[key]
	if known || c.errors.crowded() {
		return hint
	}
	if c.guesses == nil {
		c.guesses = map[guess]string{}
	}
	hint = meant(name, where)
	c.guesses[key] = hint
	return hint
}

// A guess is what has to be guessed from: an unknown name, and where it stands.
type guess struct {
	name  string
	where scope
}

// planned are directives of shunt that a later version will have.
var planned = []string{"quorum", "hysteresis"}

// meant guesses what the author of an unknown directive had in mind.
func meant(name string, where scope) string {
	lower := strings.ToLower(name)
	if d := byName[lower]; d != nil {
		return fmt.Sprintf("names are lower case: `%s`", lower)
	}
	if hint, ok := confusions[lower]; ok {
		return hint
	}
	var here, elsewhere []string
	for i := range table {
		if table[i].scope&where != 0 {
			here = append(here, table[i].name)
		} else {
			elsewhere = append(elsewhere, table[i].name)
		}
	}
	for _, names := range [][]string{here, elsewhere} {
		if n := nearest(lower, names); n != "" {
			return fmt.Sprintf("did you mean `%s`?", n)
		}
	}
	return ""
}

// confusions are names that guides and other programs use.
var confusions = map[string]string{
	"timeout":             "did you mean `checktimeout` or `negotiatetimeout`?",
	"weight":              "the weight is the number behind the forwarding method: real=ADDRESS:PORT gate 2",
	"monitor":             "did you mean `checktype` or `monitorfile`?",
	"include":             "one file cannot include another; `execute` starts shunt for a second one",
	"interval":            "did you mean `checkinterval`?",
	"delay_loop":          "did you mean `checkinterval`?",
	"connect_timeout":     "did you mean `checktimeout`?",
	"lb_algo":             "did you mean `scheduler`?",
	"lvs_sched":           "did you mean `scheduler`?",
	"lb_kind":             "the forwarding method is the word behind the address: real=ADDRESS:PORT gate",
	"forward":             "the forwarding method is the word behind the address: real=ADDRESS:PORT gate",
	"method":              "did you mean `httpmethod`?",
	"persistence_timeout": "did you mean `persistent`?",
	"sticky":              "did you mean `persistent`?",
	"virtual_server":      "did you mean `virtual`?",
	"real_server":         "did you mean `real`?",
	"server":              "did you mean `real`?",
	"sorry_server":        "did you mean `fallback`?",
	"sorry":               "write fallback=sorry",
	"backup":              "did you mean `fallback`?",
	"port":                "did you mean `checkport`?",
	"url":                 "did you mean `request`?",
	"host":                "did you mean `virtualhost`?",
	"user":                "did you mean `login`?",
	"username":            "did you mean `login`?",
	"password":            "did you mean `passwd`?",
	"log":                 "did you mean `logfile`?",
	"email":               "did you mean `emailalert`?",
	"mail":                "did you mean `emailalert`?",
	"dev":                 "did you mean `interface`?",
	"nic":                 "did you mean `interface`?",
	"sysctl":              "did you mean `managesysctl`?",
	"fwmark":              "a firewall mark is written as virtual=MARK",
	"rise":                "did you mean `risecount`?",
	"fall":                "did you mean `failurecount`?",
	"send-proxy":          "did you mean `proxyprotocol`?",
	"send_proxy":          "did you mean `proxyprotocol`?",
	"accept-proxy":        "did you mean `trustedproxies`?",
	"accept_proxy":        "did you mean `trustedproxies`?",
	"tproxy":              "did you mean `transparent`?",
	"limit_conn":          "did you mean `sourceconnections`?",
	"limit_req":           "did you mean `sourcerate`?",
	"ratelimit":           "did you mean `sourcerate`?",
}

// choice is a hint that names what is close to word, else everything there is.
func choice(word string, known []string) string {
	if n := nearest(strings.ToLower(word), known); n != "" {
		return fmt.Sprintf("did you mean `%s`?", n)
	}
	return "write one of " + strings.Join(known, ", ")
}

// nearest returns the one of names that is word with few letters wrong, ""
// if none is.
func nearest(word string, names []string) string {
	best, limit := "", max(1, min(3, len(word)/3))+1
	for _, n := range names {
		if d := distance(word, n); d < limit {
			best, limit = n, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbour to turn a into b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

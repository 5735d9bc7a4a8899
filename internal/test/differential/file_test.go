//go:build kernel

package differential

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A file is a configuration of several services, which share real servers
// that all fail in one way.
type file struct {
	name     string
	fails    failure
	global   string // lines
	offers   bool   // real servers offer more services than that of the web
	events   []event
	sections []section
}

// A section is a service, and how ipvsadm prints what it makes. See expand for
// what stands for a real server in real and dest.
type section struct {
	text                    string // without real servers
	real                    string
	quiescent               bool
	inherits                bool   // quiescent is said elsewhere
	weight                  string // of all servers; as the events have it
	service, dest, fallback string
	ours                    string                // service as shunt makes it, if that differs
	limits                  string                // thresholds as ipvsadm prints them; not compared if ""
	peer                    *virtualServer        // the section in keepalived's language
	tables                  map[string]string     // by event, where they are this section's alone
	differs                 map[string]difference // by event
}

// A virtualServer is how keepalived calls a section: what stands in it, and
// what stands in each of its real servers.
type virtualServer struct{ text, real string }

// A difference is a deliberate one: the tables as both programs have them, in
// the words of an event. CONFIGURATION.md has the reasons.
type difference struct{ ldirectord, shunt string }

// A state is how a file is worded at some time of its walk.
type state struct {
	weights     string // of the real servers, "1:5 2:1"
	cleanstop   string
	folder      string // for what has to do with the file
	withoutLast bool   // section
	turned      int    // how often all forwarding methods were edited
}

// peer is the program that shunt is compared with.
func (f file) peer() program {
	if f.sections[0].peer != nil {
		return keepalived
	}
	return ldirectord
}

// now are the sections that f has in a state.
func (f file) now(s state) []section {
	if s.withoutLast {
		return f.sections[:len(f.sections)-1]
	}
	return f.sections
}

// ldirectord is the file as ldirectord and shunt read it.
func (f file) ldirectord(s state) string {
	var b strings.Builder
	fmt.Fprintf(&b, "checkinterval=1\nchecktimeout=2\nnegotiatetimeout=2\ncleanstop=%s\nmaintenancedir=%s/maintenance\n", s.cleanstop, s.folder)
	b.WriteString(s.expand(f.global, ""))
	for _, sec := range f.now(s) {
		head, rest, _ := strings.Cut(s.expand(sec.text, ""), "\n")
		fmt.Fprintf(&b, "%s\n%s%s", head, s.reals("\t"+sec.real+"\n"), rest)
		if !sec.inherits {
			fmt.Fprintf(&b, "\tquiescent=%s\n", yesno(sec.quiescent))
		}
	}
	return b.String()
}

// keepalived is the file as keepalived reads it.
func (f file) keepalived(s state) string {
	var b strings.Builder
	for _, sec := range f.now(s) {
		fmt.Fprintf(&b, "%s%s}\n", sec.peer.text, s.reals(sec.peer.real))
	}
	return b.String()
}

// reals expands a line for every real server, or for all of them if it speaks
// of a last one.
func (s state) reals(line string) string {
	servers := strings.Fields(s.weights)
	if strings.Contains(line, "%L") {
		servers = servers[:1]
	}
	var b strings.Builder
	for _, server := range servers {
		b.WriteString(s.expand(line, server))
	}
	return b.String()
}

// table is what ipvsadm prints after an event, for shunt or for another one.
func (f file) table(s state, e event, director string) string {
	var lines []string
	for _, sec := range f.now(s) {
		if director == shunt.name && sec.ours != "" {
			sec.service = sec.ours
		}
		want := sec.want(e, director)
		lines = append(lines, sec.lines(s, want)...)
		lines = append(lines, sec.thresholds(s, want, director)...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// want is the table of a section after an event, in short.
func (sec section) want(e event, director string) string {
	if d, deliberate := sec.differs[e.name]; deliberate && director == shunt.name {
		return d.shunt
	} else if deliberate {
		return d.ldirectord
	}
	if own, has := sec.tables[e.name]; has {
		return own
	}
	if sec.quiescent && e.quiescent != "" {
		return e.quiescent
	}
	return e.table
}

// lines are a table that is given in short, "1:5 2:0 F": server 1 with weight
// 5, server 2 with weight 0, and the fallback. "gone" is no service.
func (sec section) lines(s state, short string) []string {
	if short == "gone" {
		return nil
	}
	lines := []string{sec.service}
	for server := range strings.FieldsSeq(short) {
		switch {
		case server != "F":
			lines = append(lines, sec.line(s, server))
		case sec.fallback != "":
			lines = append(lines, sec.fallback)
		}
	}
	return lines
}

// thresholds are what ipvsadm prints besides of those that have been asked for.
// ldirectord takes them away from a server that it gives weight 0.
func (sec section) thresholds(s state, short, director string) []string {
	if sec.limits == "" || short == "gone" {
		return nil
	}
	var lines []string
	for server := range strings.FieldsSeq(short) {
		lost := director == ldirectord.name && strings.HasSuffix(server, ":0")
		if server != "F" && !lost {
			lines = append(lines, s.expand(sec.limits, server))
		}
	}
	return lines
}

// line is how ipvsadm prints one real server.
func (sec section) line(s state, server string) string {
	number, weight, _ := strings.Cut(server, ":")
	if sec.weight != "" && weight != "0" {
		weight = sec.weight
	}
	return s.expand(sec.dest, number+":"+weight)
}

// expand puts a real server, "2:7", into a line: %N is its number, %W its
// weight, %L the number of the last one, %M a forwarding method that depends on the
// number, and %F how ipvsadm prints that. %D is the folder.
func (s state) expand(line, server string) string {
	number, weight, _ := strings.Cut(server, ":")
	n, _ := strconv.Atoi(number)
	method := (n + s.turned) % 3
	return strings.NewReplacer(
		"%N", number, "%W", weight, "%L", strconv.Itoa(n+strings.Count(s.weights, " ")), "%D", s.folder,
		"%M", []string{"ipip", "gate", "masq"}[method],
		"%F", []string{"-i -w " + weight + " --tun-type ipip", "-g -w " + weight, "-m -w " + weight}[method],
	).Replace(line)
}

func yesno(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

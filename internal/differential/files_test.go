//go:build kernel

package differential

import (
	"fmt"
	"slices"
	"strings"
)

// A file is a configuration of several services, which share real servers
// that all fail in one way.
type file struct {
	name     string
	fails    failure
	special  bool // it goes through few events, and every section says how
	sections []section
}

// A section is a service, and how ipvsadm prints what it makes. The numbers in
// real and dest are those of a server and its weight.
type section struct {
	text                    string // without real servers
	real                    string
	quiescent               bool
	service, dest, fallback string
	differs                 map[string]difference // by event
}

// A difference is a deliberate one: the tables as both have them, in the
// words of an event. CONFIGURATION.md has the reasons.
type difference struct{ ldirectord, shunt string }

// config is the file with the given real servers, as "1:5 2:1".
func (f file) config(servers, cleanstop, maintenance string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "checkinterval=1\nchecktimeout=2\nnegotiatetimeout=2\ncleanstop=%s\nmaintenancedir=%s\n", cleanstop, maintenance)
	for _, s := range f.sections {
		head, rest, _ := strings.Cut(s.text, "\n")
		fmt.Fprintln(&b, head)
		for server := range strings.FieldsSeq(servers) {
			fmt.Fprintf(&b, "\t%s\n", expand(s.real, server))
		}
		fmt.Fprintf(&b, "%s\tquiescent=%s\n", rest, yesno(s.quiescent))
	}
	return b.String()
}

// table is what ipvsadm prints after an event, for ldirectord or for shunt.
func (f file) table(e event, director string) string {
	var lines []string
	for _, s := range f.sections {
		lines = append(lines, s.lines(s.want(e, director))...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// want is the table of a section after an event, in short.
func (s section) want(e event, director string) string {
	if d, deliberate := s.differs[e.name]; deliberate && director == "shunt" {
		return d.shunt
	} else if deliberate {
		return d.ldirectord
	}
	if s.quiescent && e.quiescent != "" {
		return e.quiescent
	}
	return e.table
}

// lines are a table that is given in short, "1:5 2:0 F": server 1 with weight
// 5, server 2 with weight 0, and the fallback. "gone" is no service.
func (s section) lines(short string) []string {
	if short == "gone" {
		return nil
	}
	lines := []string{s.service}
	for server := range strings.FieldsSeq(short) {
		if server == "F" {
			lines = append(lines, s.fallback)
		} else {
			lines = append(lines, expand(s.dest, server))
		}
	}
	return lines
}

// expand puts a server's number and weight, "2:7", into a line.
func expand(template, server string) string {
	number, weight, _ := strings.Cut(server, ":")
	return strings.NewReplacer("%N", number, "%W", weight).Replace(template)
}

func yesno(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

var files = []file{
	{name: "tcp", fails: sickens, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	request="index.html"
	receive="all is well"
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:80
	fallback=10.0.0.9:8888 masq
	scheduler=wlc
	checktype=negotiate
	virtualhost=www.example.org
	request="index.html"
	receive="^all is"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.101:80 -s wlc",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 10.0.0.9:8888 -m -w 1",
		},
		{
			text: `virtual=10.0.0.102:8080
	fallback=10.0.0.9:8080 ipip
	service=http
	scheduler=sh
	schedflags=sh-fallback,sh-port
	persistent=600
	netmask=255.255.255.0
	checktype=3
	checkport=80
	receive="well"
`,
			real:     "real=10.0.0.%N:8080 ipip %W",
			service:  "-A -t 10.0.0.102:8080 -s sh -p 600 -M 255.255.255.0 -b sh-fallback,sh-port",
			dest:     "-a -t 10.0.0.102:8080 -r 10.0.0.%N:8080 -i -w %W --tun-type ipip",
			fallback: "-a -t 10.0.0.102:8080 -r 10.0.0.9:8080 -i -w 1 --tun-type ipip",
		},
	}},
	{name: "marks", fails: refuses, sections: []section{
		{
			quiescent: true,
			text: `virtual=5
	fallback=127.0.0.1 gate
	protocol=fwm
	service=http
	scheduler=wrr
	checktype=connect
	checkport=80
	persistent=300
`,
			real:     "real=10.0.0.%N gate %W",
			service:  "-A -f 5 -s wrr -p 300",
			dest:     "-a -f 5 -r 10.0.0.%N:0 -g -w %W",
			fallback: "-a -f 5 -r 127.0.0.1:0 -g -w 1",
		},
		{
			text: `virtual=6
	fallback=10.0.0.9:80 masq
	service=http
	scheduler=lc
	receive="well"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -f 6 -s lc",
			dest:     "-a -f 6 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -f 6 -r 10.0.0.9:80 -m -w 1",
		},
		{
			text: `virtual=10.0.0.100:443
	fallback=127.0.0.1 gate
	service=none
	scheduler=nq
	checktype=connect
	checkport=80
`,
			real:     "real=10.0.0.%N:443 gate %W",
			service:  "-A -t 10.0.0.100:443 -s nq",
			dest:     "-a -t 10.0.0.100:443 -r 10.0.0.%N:443 -g -w %W",
			fallback: "-a -t 10.0.0.100:443 -r 127.0.0.1:443 -g -w 1",
		},
	}},
	{name: "udp", fails: vanishes, sections: []section{
		{
			text: `virtual=10.0.0.100:53
	fallback=10.0.0.9:53 masq
	protocol=udp
	service=dns
	scheduler=rr
	checktype=ping
`,
			real:     "real=10.0.0.%N:53 masq %W",
			service:  "-A -u 10.0.0.100:53 -s rr",
			dest:     "-a -u 10.0.0.100:53 -r 10.0.0.%N:53 -m -w %W",
			fallback: "-a -u 10.0.0.100:53 -r 10.0.0.9:53 -m -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.100:514
	fallback=127.0.0.1:514 gate
	protocol=udp
	ops=yes
	scheduler=wrr
	checktype=connect
`,
			real:     "real=10.0.0.%N:514 gate %W",
			service:  "-A -u 10.0.0.100:514 -s wrr -o",
			dest:     "-a -u 10.0.0.100:514 -r 10.0.0.%N:514 -g -w %W",
			fallback: "-a -u 10.0.0.100:514 -r 127.0.0.1:514 -g -w 1",
		},
	}},
	{name: "IPv6", fails: refuses, sections: []section{
		{
			quiescent: true,
			text: `virtual6=[fd00::100]:80
	fallback6=[::1]:80 gate
	service=http
	scheduler=sed
	checktype=connect
`,
			real:     "real6=[fd00::%N]:80 gate %W",
			service:  "-A -t [fd00::100]:80 -s sed",
			dest:     "-a -t [fd00::100]:80 -r [fd00::%N]:80 -g -w %W",
			fallback: "-a -t [fd00::100]:80 -r [::1]:80 -g -w 1",
		},
		{
			text: `virtual6=[fd00::101]:80
	fallback6=[fd00::9]:80 masq
	service=http
	scheduler=wrr
	persistent=120
	netmask=64
	request="index.html"
	receive="all is well"
`,
			real:     "real6=[fd00::%N]:80 masq %W",
			service:  "-A -t [fd00::101]:80 -s wrr -p 120 -M 64",
			dest:     "-a -t [fd00::101]:80 -r [fd00::%N]:80 -m -w %W",
			fallback: "-a -t [fd00::101]:80 -r [fd00::9]:80 -m -w 1",
		},
	}},
	{name: "differences", fails: refuses, special: true, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=on
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:2 2:1", shunt: "1:2 2:1"},
				"one check fails": {ldirectord: "1:2 2:1", shunt: "1:2 2:1"},
				"all weights 0":   {ldirectord: "1:0 2:0", shunt: "1:0 2:0 F"},
			},
		},
		{
			text: `virtual=10.0.0.101:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=off
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.101:80 -s wrr",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "F", shunt: ""},
				"one check fails": {ldirectord: "F", shunt: ""},
				"all weights 0":   {ldirectord: "F", shunt: ""},
			},
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.102:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=off
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.102:80 -s wrr",
			dest:     "-a -t 10.0.0.102:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.102:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:0 2:0 F", shunt: ""},
				"one check fails": {ldirectord: "1:0 2:0 F", shunt: ""},
				"all weights 0":   {ldirectord: "1:0 2:0 F", shunt: ""},
			},
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.103:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=connect
	checkport=80
`,
			real:     "real=10.0.0.%N:8080 gate %W",
			service:  "-A -t 10.0.0.103:80 -s wrr",
			dest:     "-a -t 10.0.0.103:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.103:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:0 2:0", shunt: "1:2 2:1"},
				"one check fails": {ldirectord: "1:0 2:0", shunt: "1:0 2:1"},
				"all weights 0":   {ldirectord: "1:0 2:0", shunt: "1:0 2:0 F"},
			},
		},
	}},
}

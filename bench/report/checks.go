package report

import (
	"github.com/shunt-lb/shunt/bench/result"
)

func checks(all []result.Checks, inks inks) section {
	s := section{
		title: "Health checks",
		about: "What looking after many real servers costs, and how long one stays in service that has become unwell: " +
			"until the kernel's table does not have it any more where the kernel forwards, and else until the program's status says so.",
	}
	table := grid{names: 2, columns: []column{
		{name: "SUBJECT"},
		{name: "REAL SERVERS", right: true},
		{name: "INTERVAL", right: true, about: "between checks of one real server"},
		{name: "PROCESSOR", right: true, about: "share of one processor"},
		{name: "MEMORY", right: true},
		{name: "DETECTED p50", right: true, about: "until a real server that is unwell is out of service"},
		{name: "DETECTED p99", right: true, about: "until a real server that is unwell is out of service"},
		{name: "NOTE"},
	}}
	sizes := map[int][]curve{}
	for _, c := range all {
		table.add(checksRow(c)...)
		sizes[c.RealServers] = append(sizes[c.RealServers], curve{c.Subject, c.Detection})
	}
	s.tables = []grid{table.lean()}
	for _, c := range all {
		// Each size once, in order of appearance.
		of := thousands(float64(c.RealServers)) + " real servers"
		if f := latencies("From death to out of service: "+of, of, sizes[c.RealServers], inks); f.svg != "" {
			s.figures = append(s.figures, f)
		}
		delete(sizes, c.RealServers)
	}
	return s
}

func checksRow(c result.Checks) []cell {
	at := func(share float64) string {
		x, ok := result.Round{Latency: c.Detection}.At(share)
		if !ok {
			return none
		}
		return period(x)
	}
	return words(c.Subject, thousands(float64(c.RealServers)), period(c.Interval), percent(c.Processor),
		some(float64(c.Memory), volume), at(0.5), at(0.99), c.Note)
}

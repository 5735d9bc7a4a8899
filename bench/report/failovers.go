package report

import (
	"github.com/shunt-lb/shunt/bench/result"
)

func failovers(all []result.Failover, inks inks) section {
	s := section{
		title: "Failover",
		about: "What one fault cost the clients, at a fixed rate of requests. " +
			"LAST is the time from the fault to the start of the last request that was lost.",
	}
	table := grid{title: "All figures", names: 2, columns: []column{
		{name: "SUBJECT"},
		{name: "FAULT"},
		{name: "REQUESTS", right: true},
		{name: "LOST", right: true, about: "requests without an answer"},
		{name: "SHARE", right: true, about: "of the requests that was lost"},
		{name: "LAST", right: true, about: "from the fault to the start of the last lost request"},
		{name: "BROKEN", right: true, about: "established connections that ended"},
		{name: "NOTE"},
	}}
	lost := lostTable(all)
	for _, fault := range faults(all) {
		some := ofFault(all, fault)
		for _, f := range some {
			table.add(failoverRow(f)...)
		}
		if f := timeline(fault, some, inks); f.svg != "" {
			s.figures = append(s.figures, f)
		}
	}
	s.tables = []grid{lost, table.lean()}
	return s
}

func failoverRow(f result.Failover) []cell {
	last := none
	if f.Lost > 0 {
		last = period(f.Last)
	}
	return []cell{
		{text: f.Subject},
		{text: f.Fault},
		{text: thousands(float64(f.Requests))},
		problems(f.Lost),
		{text: percent(result.Ratio(float64(f.Lost), float64(f.Requests)))},
		{text: last},
		problems(f.Broken),
		{text: f.Note},
	}
}

// lostTable has a row for each fault and a column for each subject: the first
// thing to look at.
func lostTable(all []result.Failover) grid {
	t := grid{title: "Requests lost, and when the last of them began", names: 1, columns: []column{{name: "FAULT"}}}
	at := map[string]int{}
	for _, f := range all {
		if _, ok := at[f.Subject]; !ok {
			at[f.Subject] = len(at) + 1
			t.columns = append(t.columns, column{name: f.Subject, right: true})
		}
	}
	for _, fault := range faults(all) {
		row := make([]cell, len(t.columns))
		row[0].text = fault
		for i := range row[1:] {
			row[i+1].text = none
		}
		for _, f := range ofFault(all, fault) {
			row[at[f.Subject]] = lostCell(f)
		}
		t.add(row...)
	}
	return t
}

func lostCell(f result.Failover) cell {
	if f.Lost == 0 {
		return cell{"0", good}
	}
	return cell{thousands(float64(f.Lost)) + ", " + period(f.Last), bad}
}

// faults returns the faults of all in order of appearance.
func faults(all []result.Failover) []string {
	var names []string
	seen := map[string]bool{}
	for _, f := range all {
		if !seen[f.Fault] {
			seen[f.Fault] = true
			names = append(names, f.Fault)
		}
	}
	return names
}

func ofFault(all []result.Failover, fault string) []result.Failover {
	var some []result.Failover
	for _, f := range all {
		if f.Fault == fault {
			some = append(some, f)
		}
	}
	return some
}

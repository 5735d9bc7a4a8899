package report

import (
	"fmt"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// shown is how much of a sequence the tables hold.
const shown = 24

func schedulers(all []result.Scheduler, inks inks) section {
	s := section{
		title: "Schedulers",
		about: "Which real server got each connection, told from packets on both sides of the director.",
	}
	table := grid{names: 3, columns: []column{
		{name: "SUBJECT"},
		{name: "SCHEDULER"},
		{name: "PROTOCOL"},
		{name: "WEIGHTS"},
		{name: "GOT", about: "connections for each real server"},
		{name: "EXPECTED", about: "nothing where it depends on the hash"},
		{name: "STICKY", right: true, about: "share of sources that kept to one real server"},
		{name: "MOVED", right: true, about: "share of other sources that moved when a real server went"},
		{name: "LOST", right: true, about: "connections or datagrams that no real server got"},
		{name: "UNSEEN", right: true, about: "packets that the observer missed"},
		{name: "ADDED p50", right: true, about: "latency that the director added to a packet"},
		{name: "ADDED p99", right: true, about: "latency that the director added to a packet"},
		{name: "VERDICT"},
	}}
	for _, sc := range all {
		table.add(schedulerRow(sc)...)
	}
	s.tables = []grid{table.lean()}
	if seq := sequences(all); len(seq.rows) > 0 {
		s.tables = append(s.tables, seq)
	}
	for _, sc := range all {
		if f := distribution(sc, inks); f.svg != "" {
			s.figures = append(s.figures, f)
		}
	}
	if f := latencies("Latency added to a packet", "by the director", added(all), inks); f.svg != "" {
		s.figures = append(s.figures, f)
	}
	return s
}

func schedulerRow(s result.Scheduler) []cell {
	at := func(share float64) string {
		x, ok := result.Round{Latency: s.Added}.At(share)
		if !ok {
			return none
		}
		return period(x)
	}
	row := words(s.Subject, s.Name, s.Protocol, list(s.Weights, shown), list(s.Got, shown), list(s.Expected, shown),
		optional(s.Sticky), optional(s.Moved))
	return append(row, problems(s.Lost), problems(s.Dropped), cell{text: at(0.5)}, cell{text: at(0.99)}, verdict(s.Verdict))
}

func optional(share *float64) string {
	if share == nil {
		return none
	}
	return percent(*share)
}

func sequences(all []result.Scheduler) grid {
	t := grid{title: "Sequence of real servers", names: 3, columns: []column{
		{name: "SUBJECT"}, {name: "SCHEDULER"}, {name: "PROTOCOL"}, {name: "RULE"}, {name: "CHOSEN"},
	}}
	for _, s := range all {
		if len(s.Sequence) == 0 {
			continue
		}
		t.add(append(words(s.Subject, s.Name, s.Protocol), rule(s), chosen(s))...)
	}
	return t
}

// chosen is the sequence of s, with what departs from the rule first in brackets
// and within sight.
func chosen(s result.Scheduler) cell {
	off := departure(s)
	if off < 0 {
		return cell{text: list(s.Sequence, shown)}
	}
	from := max(0, off-shown/2)
	var parts []string
	if from > 0 {
		parts = append(parts, fmt.Sprintf("%d kept …", from))
	}
	if off > from {
		parts = append(parts, list(s.Sequence[from:off], shown))
	}
	parts = append(parts, fmt.Sprintf("[%d]", s.Sequence[off]))
	if rest := s.Sequence[off+1:]; len(rest) > 0 {
		parts = append(parts, list(rest, shown/2))
	}
	return cell{strings.Join(parts, " "), bad}
}

// rule says whether the sequence of s is the one that the scheduler has to keep.
func rule(s result.Scheduler) cell {
	off := departure(s)
	switch {
	case off >= 0:
		return cell{fmt.Sprintf("broken at %s: expected %d", thousands(float64(off)), s.Rule[off]), bad}
	case len(s.Rule) == 0:
		return cell{text: none}
	}
	return cell{fmt.Sprintf("kept by all %s", thousands(float64(min(len(s.Rule), len(s.Sequence))))), good}
}

// departure returns where the sequence of s first is not what the rule says, and
// -1 where it keeps it or there is none.
func departure(s result.Scheduler) int {
	for i, rs := range s.Sequence {
		if i < len(s.Rule) && rs != s.Rule[i] {
			return i
		}
	}
	return -1
}

// added returns one curve for each subject: of its first scheduler that has one,
// since packets of an established connection do not meet the scheduler.
func added(all []result.Scheduler) []curve {
	var curves []curve
	seen := map[string]bool{}
	for _, s := range all {
		if len(s.Added) > 0 && !seen[s.Subject] {
			seen[s.Subject] = true
			curves = append(curves, curve{s.Subject, s.Added})
		}
	}
	return curves
}

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// shown is how many elements of a sequence the tables show.
const shown = 24

// schedulerNames are the columns that name a scheduler.
var schedulerNames = []column[result.Scheduler]{
	words("SUBJECT", func(s result.Scheduler) string { return s.Subject }),
	words("SCHEDULER", func(s result.Scheduler) string { return s.Name }),
	words("PROTOCOL", func(s result.Scheduler) string { return s.Protocol }),
}

func schedulers(all []result.Scheduler, colour palette) section {
	about := func(c column[result.Scheduler], about string) column[result.Scheduler] {
		c.About = about
		return c
	}
	t := tabulate("", 3, all, append(slices.Clone(schedulerNames),
		words("WEIGHTS", func(s result.Scheduler) string { return list(s.Weights, shown) }),
		about(words("GOT", func(s result.Scheduler) string { return list(s.Got, shown) }), "connections for each real server"),
		about(words("EXPECTED", func(s result.Scheduler) string { return list(s.Expected, shown) }), "nothing where it depends on the hash"),
		figures("STICKY", "share of sources that kept to one real server", func(s result.Scheduler) string { return optional(s.Sticky) }),
		figures("MOVED", "share of other sources that moved when a real server went", func(s result.Scheduler) string { return optional(s.Moved) }),
		marked("LOST", "connections or datagrams that no real server got", func(s result.Scheduler) cell { return problems(s.Lost) }),
		marked("UNSEEN", "packets that the observer missed", func(s result.Scheduler) cell { return problems(s.Dropped) }),
		figures("ADDED p50", "latency that the director added to a packet", func(s result.Scheduler) string { return quantile(s.Added, 0.5) }),
		figures("ADDED p99", "latency that the director added to a packet", func(s result.Scheduler) string { return quantile(s.Added, 0.99) }),
		column[result.Scheduler]{heading{Name: "VERDICT"}, func(s result.Scheduler) cell { return verdict(s.Verdict) }})...)
	s := section{
		Title:  "Schedulers",
		About:  "Which real server got each connection, told from packets on both sides of the director.",
		Tables: []table{t.lean()},
	}
	recorded := slices.DeleteFunc(slices.Clone(all), func(s result.Scheduler) bool { return len(s.Sequence) == 0 })
	if len(recorded) > 0 {
		s.Tables = append(s.Tables, tabulate("Sequence of real servers", 3, recorded, append(slices.Clone(schedulerNames),
			column[result.Scheduler]{heading{Name: "RULE"}, rule},
			column[result.Scheduler]{heading{Name: "CHOSEN"}, chosen})...))
	}
	for _, sc := range all {
		s.Small = append(s.Small, distribution(sc, colour))
	}
	s.Plots = []figure{latencies("Latency added to a packet", "by the director", added(all), colour)}
	return s
}

// quantile writes the latency that share of the packets did not exceed.
func quantile(qs []result.Quantile, share float64) string {
	if x, ok := (result.Round{Latency: qs}).At(share); ok {
		return period(x)
	}
	return none
}

func optional(share *float64) string {
	if share == nil {
		return none
	}
	return percent(*share)
}

// chosen is the sequence of s. The first real server that breaks the rule is in
// brackets, with those around it.
func chosen(s result.Scheduler) cell {
	off := departure(s)
	if off < 0 {
		return cell{Text: list(s.Sequence, shown)}
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

// rule returns the cell that says whether the sequence of s is the one of its
// scheduler.
func rule(s result.Scheduler) cell {
	off := departure(s)
	switch {
	case off >= 0:
		return cell{fmt.Sprintf("broken at %s: expected %d", thousands(float64(off)), s.Rule[off]), bad}
	case len(s.Rule) == 0:
		return cell{Text: none}
	}
	return cell{"kept by all " + thousands(float64(min(len(s.Rule), len(s.Sequence)))), good}
}

// departure returns the index at which the sequence of s first differs from its
// rule, -1 if it does not or there is none.
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
	for _, s := range all {
		if len(s.Added) > 0 && !slices.ContainsFunc(curves, func(c curve) bool { return c.subject == s.Subject }) {
			curves = append(curves, curve{s.Subject, s.Added})
		}
	}
	return curves
}

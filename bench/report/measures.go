package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// shares are the quantiles of latency in the tables.
var shares = []struct {
	name  string
	share float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}

// bounded marks a figure that the load generator limited.
const bounded = " *"

func measures(g result.Group, colour palette) section {
	ref, _ := g.Reference()
	s := section{
		Title:  g.Scenario + ": " + g.Work,
		About:  fmt.Sprintf("An operation is a %s. Figures are medians of %s", g.Unit, numberOfRounds(g.Measures)),
		Notes:  measureNotes(g),
		Tables: []table{measureTable(g, ref).lean()},
		Plots:  measurePlots(g, colour),
	}
	if ref.Subject != "" {
		s.About += "; ratios are to " + ref.Subject
	}
	s.About += "."
	if of := g.Measures[0].Timed; of != "" {
		s.About += fmt.Sprintf(" Latency is that of a %s.", of)
	}
	if !g.Rated() {
		s.About = fmt.Sprintf("Each %s is opened and then held. Figures are medians of %s.", g.Unit, numberOfRounds(g.Measures))
	}
	return s
}

func numberOfRounds(ms []result.Measure) string {
	least, most := len(ms[0].Rounds), len(ms[0].Rounds)
	for _, m := range ms {
		least, most = min(least, len(m.Rounds)), max(most, len(m.Rounds))
	}
	switch {
	case least != most:
		return fmt.Sprintf("%d to %d rounds", least, most)
	case most == 1:
		return "one round"
	}
	return fmt.Sprintf("%d rounds", most)
}

func measureTable(g result.Group, ref result.Measure) table {
	rate := func(m result.Measure) result.Spread { return result.SpreadOf(m.Each(result.Round.Rate)) }
	cost := func(m result.Measure) result.Spread { return result.SpreadOf(m.Each(result.Round.Cost)) }
	spread := func(of func(result.Measure) result.Spread) column[result.Measure] {
		return marked("±", "half the distance between the quartiles of the rounds", func(m result.Measure) cell {
			s := of(m)
			if s.Median == 0 || !plottable(s.Relative()) {
				return cell{none, faint}
			}
			return cell{fmt.Sprintf("%.1f %%", s.Relative()*100), faint}
		})
	}
	columns := []column[result.Measure]{words("SUBJECT", func(m result.Measure) string { return m.Subject })}
	if g.Rated() {
		columns = append(columns,
			marked("OPS/S", "operations per second", func(m result.Measure) cell {
				if m.Bounded {
					return cell{number(rate(m).Median) + bounded, doubt}
				}
				return cell{Text: number(rate(m).Median)}
			}),
			spread(rate),
			figures("RATIO", "operations per second of those of "+ref.Subject, func(m result.Measure) string {
				return times(result.Ratio(rate(m).Median, rate(ref).Median))
			}),
			figures("CPU/OP", "processor time of the subject for one operation, user and system; where the kernel forwards, softirq too",
				func(m result.Measure) string { return some(cost(m).Median, period) }),
			spread(cost),
			figures("RATIO", "processor time for one operation of that of "+ref.Subject+", round by round",
				func(m result.Measure) string { return times(m.Dearer(ref)) }))
	}
	for _, s := range shares {
		columns = append(columns, figures(s.name, "latency that this share of operations did not exceed", func(m result.Measure) string {
			if x, ok := m.Latency(s.share); ok {
				return period(x)
			}
			return none
		}))
	}
	columns = append(columns,
		figures("MEM/CONN", "memory of one connection, the subject's and the kernel's", func(m result.Measure) string {
			return some(result.Median(m.Each(memory)), volume)
		}),
		marked("ERRORS", "in all rounds", func(m result.Measure) cell { return problems(m.Errors()) }))
	if g.Rated() {
		columns = append(columns,
			figures("DIRECTOR", "share of one processor that the subject kept busy", func(m result.Measure) string {
				return some(result.Median(m.Each(result.Round.Directing)), whole)
			}),
			figures("GENERATOR", "share of one processor that clients and real servers kept busy", func(m result.Measure) string {
				return whole(result.Median(m.Each(result.Round.Generating)))
			}))
	}
	return tabulate("", 1, g.Measures, columns...)
}

func memory(r result.Round) float64 { return r.Memory.PerConnection() }

func measureNotes(g result.Group) []string {
	var notes []string
	for _, m := range g.Measures {
		if m.Bounded {
			notes = append(notes, strings.TrimSpace(bounded)+" "+m.Subject+": bounded by the generator"+headroom(g, m))
		}
		if m.Rated() && slices.ContainsFunc(m.Rounds, func(r result.Round) bool { return r.Subject.Forwards }) {
			notes = append(notes, m.Subject+": the kernel forwards for it; CPU/OP has all the time its processors were in softirq, for whomever")
		}
		if m.Note != "" {
			notes = append(notes, m.Subject+": "+m.Note)
		}
		if f := failures(m); f != "" {
			notes = append(notes, m.Subject+", errors: "+f)
		}
	}
	return notes
}

// headroom returns by how much clients and real servers were faster without m's
// subject, as a clause with the conclusion.
func headroom(g result.Group, m result.Measure) string {
	i := slices.IndexFunc(g.Measures, func(d result.Measure) bool { return d.Subject == "direct" })
	own := result.Median(m.Each(result.Round.Rate))
	if i < 0 || own == 0 {
		return ": go by the processor time"
	}
	return fmt.Sprintf(", which is only %s as fast without a director, not 2×: go by the processor time",
		times(result.Median(g.Measures[i].Each(result.Round.Rate))/own))
}

// failures returns the errors of all rounds of m by kind with their numbers, the
// most frequent first.
func failures(m result.Measure) string {
	counts := map[string]int{}
	for _, r := range m.Rounds {
		for kind, n := range r.Failures {
			counts[kind] += n
		}
	}
	kinds := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(kinds, func(a, b string) int { return counts[b] - counts[a] })
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%s (%s)", kind, thousands(float64(counts[kind])))
	}
	return strings.Join(kinds, ", ")
}

func measurePlots(g result.Group, colour palette) []figure {
	var curves []curve
	for _, m := range g.Measures {
		curves = append(curves, curve{m.Subject, typical(m)})
	}
	latency := latencies("Latency", g.Scenario+", "+g.Work, curves, colour)
	if !g.Rated() {
		kib := func(x float64) string { return number(x) + " KiB" } // axes are decimal
		return []figure{rounds(g, "Memory of one "+g.Unit, "the subject's and the kernel's", kib,
			func(r result.Round) float64 { return memory(r) / 1024 }, colour), latency}
	}
	units := g.Unit + "s"
	if strings.HasSuffix(g.Unit, "B") {
		units = g.Unit // MiB
	}
	return []figure{
		rounds(g, "Operations per second", units+" per second", short, result.Round.Rate, colour),
		rounds(g, "Processor time for one operation", "for one "+g.Unit, period, result.Round.Cost, colour),
		latency,
	}
}

// typical returns the median over the rounds of m of the latency at each share.
func typical(m result.Measure) []result.Quantile {
	var known []result.Quantile
	for _, r := range m.Rounds {
		known = append(known, r.Latency...)
	}
	var qs []result.Quantile
	for _, share := range distinct(known, func(q result.Quantile) float64 { return q.Share }) {
		if x, ok := m.Latency(share); ok {
			qs = append(qs, result.Quantile{Share: share, Seconds: x})
		}
	}
	return qs
}

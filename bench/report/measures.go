package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// shares are those whose latencies the tables name.
var shares = []struct {
	name  string
	share float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}

// bounded marks a figure that the load generator limited.
const bounded = " *"

func measures(g result.Group, inks inks) section {
	ref, _ := g.Reference()
	s := section{
		title: g.Scenario + ": " + g.Work,
		about: fmt.Sprintf("An operation is a %s. Figures are medians of %s", g.Unit, rounds(g.Measures)),
		notes: measureNotes(g),
	}
	if ref.Subject != "" {
		s.about += "; ratios are to " + ref.Subject
	}
	s.about += "."
	if of := g.Measures[0].Timed; of != "" {
		s.about += fmt.Sprintf(" Latency is that of a %s.", of)
	}
	if !g.Rated() {
		s.about = fmt.Sprintf("Each %s is opened and then held. Figures are medians of %s.", g.Unit, rounds(g.Measures))
	}
	s.tables = []grid{measureTable(g, ref).lean()}
	s.figures = measureFigures(g, inks)
	return s
}

// rounds says how many rounds ms have.
func rounds(ms []result.Measure) string {
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

func measureTable(g result.Group, ref result.Measure) grid {
	right := func(name, about string) column { return column{name, true, about} }
	t := grid{names: 1, columns: []column{
		{name: "SUBJECT"},
		right("OPS/S", "operations per second"),
		right("±", "half the distance between the quartiles of the rounds"),
		right("RATIO", "operations per second of those of "+ref.Subject),
		right("CPU/OP", "processor time of the subject for one operation, user and system; where the kernel forwards, softirq too"),
		right("±", "half the distance between the quartiles of the rounds"),
		right("RATIO", "processor time for one operation of that of "+ref.Subject+", round by round"),
	}}
	for _, s := range shares {
		t.columns = append(t.columns, right(s.name, "latency that this share of operations did not exceed"))
	}
	t.columns = append(t.columns,
		right("MEM/CONN", "memory of one connection, the subject's and the kernel's"),
		right("ERRORS", "in all rounds"),
		right("DIRECTOR", "what the subject took of one processor"),
		right("GENERATOR", "what clients and real servers took of one processor"))
	for _, m := range g.Measures {
		t.add(measureRow(m, ref)...)
	}
	return t
}

func measureRow(m, ref result.Measure) []cell {
	rate, cost := result.SpreadOf(m.Each(result.Round.Rate)), result.SpreadOf(m.Each(result.Round.Cost))
	director := some(result.Median(m.Each(result.Round.Directing)), whole)
	generator := whole(result.Median(m.Each(result.Round.Generating)))
	speed := cell{text: number(rate.Median)}
	if m.Bounded {
		speed = cell{speed.text + bounded, doubt}
	}
	row := []cell{
		{text: m.Subject},
		speed,
		{spread(rate), faint},
		{text: times(result.Ratio(rate.Median, result.Median(ref.Each(result.Round.Rate))))},
		{text: some(cost.Median, period)},
		{spread(cost), faint},
		{text: times(m.Dearer(ref))},
	}
	if !m.Rated() {
		row = append([]cell{row[0]}, words(none, none, none, none, none, none)...)
		director, generator = none, none
	}
	for _, s := range shares {
		row = append(row, cell{text: latency(m, s.share)})
	}
	memory := result.Median(m.Each(func(r result.Round) float64 { return r.Memory.PerConnection() }))
	return append(row,
		cell{text: some(memory, volume)},
		problems(m.Errors()),
		cell{text: director},
		cell{text: generator})
}

func spread(s result.Spread) string {
	if s.Median == 0 || !plottable(s.Relative()) {
		return none
	}
	return fmt.Sprintf("%.1f %%", s.Relative()*100)
}

func latency(m result.Measure, share float64) string {
	x, ok := m.Latency(share)
	if !ok {
		return none
	}
	return period(x)
}

func measureNotes(g result.Group) []string {
	var notes []string
	for _, m := range g.Measures {
		if m.Bounded {
			notes = append(notes, strings.TrimSpace(bounded)+" "+m.Subject+": bounded by the generator"+headroom(g, m))
		}
		if forwards(m) {
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

// headroom says by how much clients and real servers were faster without m's
// subject, and what that means for its operations per second.
func headroom(g result.Group, m result.Measure) string {
	i := slices.IndexFunc(g.Measures, func(d result.Measure) bool { return d.Subject == "direct" })
	own := result.Median(m.Each(result.Round.Rate))
	if i < 0 || own == 0 {
		return ": go by the processor time"
	}
	return fmt.Sprintf(", which is only %s as fast without a director, not 2×: go by the processor time",
		times(result.Median(g.Measures[i].Each(result.Round.Rate))/own))
}

// forwards reports whether the kernel does the work of m's subject.
func forwards(m result.Measure) bool {
	return m.Rated() && slices.ContainsFunc(m.Rounds, func(r result.Round) bool { return r.Subject.Forwards })
}

// failures says what went wrong how often in all rounds of m, the most frequent
// first.
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

func measureFigures(g result.Group, inks inks) []figure {
	rate := dots{
		title: "Operations per second", unit: plural(g.Unit) + " per second", write: short, figure: result.Round.Rate,
	}
	cost := dots{
		title: "Processor time for one operation", unit: "for one " + g.Unit, write: period, figure: result.Round.Cost,
	}
	memory := dots{
		title: "Memory of one " + g.Unit, unit: "the subject's and the kernel's",
		write:  func(kib float64) string { return number(kib) + " KiB" }, // axes are decimal
		figure: func(r result.Round) float64 { return r.Memory.PerConnection() / 1024 },
	}
	figures := []figure{rate.of(g, inks), cost.of(g, inks)}
	if !g.Rated() {
		figures = []figure{memory.of(g, inks)}
	}
	var curves []curve
	for _, m := range g.Measures {
		curves = append(curves, curve{m.Subject, typical(m)})
	}
	figures = append(figures, latencies("Latency", g.Scenario+", "+g.Work, curves, inks))
	return slices.DeleteFunc(figures, empty)
}

func empty(f figure) bool { return f.svg == "" }

// plural returns more than one of unit: MiB stays as it is.
func plural(unit string) string {
	if strings.HasSuffix(unit, "B") {
		return unit
	}
	return unit + "s"
}

// typical returns the medians, over the rounds of m, of the latencies at all
// shares that it knows.
func typical(m result.Measure) []result.Quantile {
	known := map[float64]bool{}
	for _, r := range m.Rounds {
		for _, q := range r.Latency {
			known[q.Share] = true
		}
	}
	var qs []result.Quantile
	for _, share := range slices.Sorted(maps.Keys(known)) {
		if x, ok := m.Latency(share); ok {
			qs = append(qs, result.Quantile{Share: share, Seconds: x})
		}
	}
	return qs
}

package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/shunt-lb/shunt/bench/result"
)

// A Comparison has the differences between the figures of two runs.
type Comparison struct {
	Warnings []string // why the runs may not be comparable
	Changes  []Change // of figures with rounds, one kind of work after the other
	Ratios   []Ratio  // between subjects, of which no verdict is made
	Findings []string // what else got worse: verdicts, losses, what is not measured any more
}

// A Change is one figure of one measure in both runs.
type Change struct {
	Scenario, Work, Subject string
	Figure                  string  // "operations/s"
	Old, New                float64 // medians over the rounds
	Ratio                   float64 // New/Old; 0 where there is none
	P                       float64 // chance of such a difference, or a greater one, between equals
	Verdict                 Verdict

	write func(float64) string
}

// A Verdict is the meaning of a difference.
type Verdict string

// The verdicts. Same is a difference that chance explains at a level of 0.05,
// by the Mann-Whitney U test; TooFew is one that no test could tell from chance
// with so few rounds. Bounded is one of the generator, not of the subject.
const (
	Same    Verdict = "same"
	Better  Verdict = "better"
	Worse   Verdict = "WORSE"
	TooFew  Verdict = "too few rounds"
	Bounded Verdict = "bounded by the generator"
)

// compared are the figures of rounds that are compared.
var compared = []struct {
	name   string
	rate   bool // only for work with a rate
	more   bool // is better
	write  func(float64) string
	values func(result.Measure) []float64
}{
	{"operations/s", true, true, number, func(m result.Measure) []float64 { return m.Each(result.Round.Rate) }},
	{"CPU/operation", true, false, period, func(m result.Measure) []float64 { return m.Each(result.Round.Cost) }},
	{"p50", false, false, period, func(m result.Measure) []float64 { return m.Latencies(0.5) }},
	{"p99", false, false, period, func(m result.Measure) []float64 { return m.Latencies(0.99) }},
	{"memory/connection", false, false, volume, func(m result.Measure) []float64 {
		return m.Each(func(r result.Round) float64 { return r.Memory.PerConnection() })
	}},
	{"errors/operation", false, false, percent, func(m result.Measure) []float64 {
		return m.Each(func(r result.Round) float64 { return result.Ratio(float64(r.Errors), float64(r.Errors+r.Operations)) })
	}},
}

// Compare compares the figures that both runs have. Figures that only now has
// are left out.
func Compare(old, now result.Run) Comparison {
	c := Comparison{Warnings: differences(old, now), Findings: findings(old, now), Ratios: ratios(old, now)}
	for _, g := range now.Groups() {
		for _, m := range g.Measures {
			if o, ok := counterpart(old, m); ok {
				c.Changes = append(c.Changes, changes(o, m)...)
			}
		}
	}
	return c
}

// Worse reports whether anything got worse.
func (c Comparison) Worse() bool {
	return len(c.Findings) > 0 || slices.ContainsFunc(c.Changes, func(ch Change) bool { return ch.Verdict == Worse })
}

// changes compares all figures that both old and now have.
func changes(old, now result.Measure) []Change {
	var all []Change
	for _, f := range compared {
		if f.rate && !now.Rated() {
			continue
		}
		a, b := measured(f.values(old)), measured(f.values(now))
		if slices.Max(append(a, 0)) == 0 && slices.Max(append(b, 0)) == 0 {
			continue
		}
		ch := Change{
			Scenario: now.Scenario, Work: now.Work, Subject: now.Subject, Figure: f.name, write: f.write,
			Old: result.Median(a), New: result.Median(b),
		}
		ch.Ratio = result.Ratio(ch.New, ch.Old)
		ch.P, ch.Verdict = test(a, b, f.more)
		if f.name == "operations/s" && (old.Bounded || now.Bounded) {
			ch.Verdict = Bounded
		}
		all = append(all, ch)
	}
	return all
}

// measured returns the finite numbers of xs.
func measured(xs []float64) []float64 {
	return slices.DeleteFunc(xs, func(x float64) bool { return !finite(x) })
}

// test returns the probability of the difference by chance, and the verdict. It
// assumes no distribution of the rounds.
func test(old, now []float64, more bool) (float64, Verdict) {
	if len(old) == 0 || len(now) == 0 {
		return 1, TooFew
	}
	t := benchmath.DefaultThresholds
	c := benchmath.AssumeNothing.Compare(
		benchmath.NewSample(slices.Clone(old), &t), benchmath.NewSample(slices.Clone(now), &t))
	up := result.Median(now) > result.Median(old)
	switch {
	case c.P > c.Alpha && fewest(len(old), len(now)) > c.Alpha:
		return c.P, TooFew
	case c.P > c.Alpha, result.Median(now) == result.Median(old):
		return c.P, Same
	case up == more:
		return c.P, Better
	}
	return c.P, Worse
}

// fewest returns the smallest probability that the two-sided test can find for
// samples of n and m values: two of all ways to mix them.
func fewest(n, m int) float64 {
	ways := 1.0
	for i := 1; i <= m; i++ {
		ways *= float64(n+i) / float64(i)
	}
	return 2 / ways
}

// differences returns why old and now may not be comparable.
func differences(old, now result.Run) []string {
	known := func(s string) string { return cmp.Or(s, "unknown") }
	var all []string
	differ := func(what string, a, b any) {
		if a != b {
			all = append(all, fmt.Sprintf("%s: %v before, %v now", what, a, b))
		}
	}
	a, b := old.Machine, now.Machine
	differ("processor", known(a.Processor), known(b.Processor))
	differ("processors", a.Processors, b.Processors)
	differ("memory", volume(float64(a.Memory)), volume(float64(b.Memory)))
	differ("kernel", known(a.Kernel), known(b.Kernel))
	differ("emulated", a.Emulated, b.Emulated)
	differ("pinning", known(old.Pinning), known(now.Pinning))
	programs := map[string]string{}
	maps.Copy(programs, a.Programs)
	maps.Copy(programs, b.Programs)
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		differ("version of "+name, known(a.Programs[name]), known(b.Programs[name]))
	}
	return all
}

package report

import (
	"fmt"
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

// A Ratio is the processor time of a subject for one operation, of that of
// another subject in the same run. It is what runs of one machine agree in.
type Ratio struct {
	Scenario, Work, Subject, To string
	Old, New                    float64
}

// Change returns by which share the ratio grew.
func (r Ratio) Change() float64 { return r.New/r.Old - 1 }

// ratios returns those that both runs have.
func ratios(old, now result.Run) []Ratio {
	var all []Ratio
	before := old.Groups()
	for _, g := range now.Groups() {
		i := slices.IndexFunc(before, func(o result.Group) bool {
			return o.Scenario == g.Scenario && o.Work == g.Work && o.Unit == g.Unit
		})
		ref, ok := g.Reference()
		if i < 0 || !ok || !g.Rated() {
			continue
		}
		for _, m := range g.Measures {
			r := Ratio{
				Scenario: g.Scenario, Work: g.Work, Subject: m.Subject, To: ref.Subject,
				Old: dearer(before[i], m.Subject, ref.Subject), New: dearer(g, m.Subject, ref.Subject),
			}
			if m.Subject != ref.Subject && plottable(r.Old) && plottable(r.New) && r.Old > 0 && r.New > 0 {
				all = append(all, r)
			}
		}
	}
	return all
}

// dearer returns the processor time for one operation of subject in a ratio to
// that of another one; 0 where there is none.
func dearer(g result.Group, subject, other string) float64 {
	find := func(name string) (m result.Measure) {
		if i := slices.IndexFunc(g.Measures, func(m result.Measure) bool { return m.Subject == name }); i >= 0 {
			m = g.Measures[i]
		}
		return m
	}
	return find(subject).Dearer(find(other))
}

// ratioGrid is a table of ratios; those that differ by a tenth are marked.
func ratioGrid(all []Ratio) grid {
	g := grid{title: "Processor time for one operation, between subjects of one run", names: 2, columns: []column{
		{name: "WORK"},
		{name: "SUBJECTS"},
		{name: "OLD", right: true},
		{name: "NEW", right: true},
		{name: "CHANGE", right: true},
	}}
	for _, r := range all {
		change := cell{text: fmt.Sprintf("%+.1f %%", 100*r.Change())}
		if r.Change() > 0.1 || r.Change() < -0.1 {
			change.mood = doubt
		}
		row := words(r.Scenario+": "+r.Work, r.Subject+" to "+r.To, times(r.Old), times(r.New))
		g.add(append(row, change)...)
	}
	return g
}

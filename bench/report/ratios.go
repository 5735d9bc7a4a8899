package report

import (
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
	for _, g := range now.Groups() {
		ref, ok := g.Reference()
		if !ok || !g.Rated() {
			continue
		}
		before, ok := counterpart(old, ref)
		for _, m := range g.Measures {
			own, both := counterpart(old, m)
			r := Ratio{Scenario: g.Scenario, Work: g.Work, Subject: m.Subject, To: ref.Subject, Old: own.Dearer(before), New: m.Dearer(ref)}
			if ok && both && m.Subject != ref.Subject && plottable(r.Old) && plottable(r.New) && r.Old > 0 && r.New > 0 {
				all = append(all, r)
			}
		}
	}
	return all
}

// counterpart returns the measure of run that may be compared with m.
func counterpart(run result.Run, m result.Measure) (result.Measure, bool) {
	i := slices.IndexFunc(run.Measures, func(o result.Measure) bool {
		return o.Scenario == m.Scenario && o.Work == m.Work && o.Unit == m.Unit && o.Subject == m.Subject
	})
	if i < 0 {
		return result.Measure{}, false
	}
	return run.Measures[i], true
}

package report

import (
	"fmt"
	"html/template"

	"github.com/shunt-lb/shunt/bench/result"
)

// A figure is a plot on the page with its data as a table. The zero value is
// that of data which cannot be plotted.
type figure struct {
	Title, Note string
	SVG         template.HTML
	Legend      []key
	Data        table
}

// A key explains one line of a plot.
type key struct{ Name, Class string }

// A palette gives each subject one colour on the whole page, in the order in
// which they ask for one: a class of the style sheet.
type palette map[string]string

// colours is how many colours the style sheet has for subjects.
const colours = 8

func (p palette) class(subject string) string {
	if p[subject] == "" {
		p[subject] = fmt.Sprintf("s%d", len(p)%colours)
	}
	return p[subject]
}

// rounds plots a row for each subject: a dot for each round, a line at the
// median, a bar between the quartiles.
func rounds(g result.Group, title, unit string, write func(float64) string, of func(result.Round) float64, colour palette) figure {
	var all []result.Measure
	var names []string
	top, longest, desc := 0.0, 0, "Medians."
	for _, m := range g.Measures {
		s := result.SpreadOf(m.Each(of))
		if s.Median == 0 || s.Min < 0 {
			continue // nothing to show, as of direct's processor time
		}
		name := shortened(m.Subject)
		if m.Bounded {
			name += bounded
		}
		all, names, desc = append(all, m), append(names, name), fmt.Sprintf("%s %s: %s.", desc, m.Subject, write(s.Median))
		top, longest = max(top, s.Max), max(longest, len(m.Rounds))
	}
	if top < 1e-12 || !plottable(top) {
		return figure{}
	}
	x := axis{high: top, ticks: ticks(steps(0, top*1.1, 4), write), label: unit, lines: true, margin: 56} // for the median behind the dots
	p := newPlot(wide, 40+26*float64(len(all)), x, rows(names, 0.6, 0.6))
	for i, m := range all {
		const half = 7
		s, y := result.SpreadOf(m.Each(of)), p.py(float64(len(all)-i))
		p.add(`<g class="%s">`, colour.class(m.Subject))
		p.box("soft", p.px(s.Low), y-half, p.px(s.High), y+half)
		p.line("mark", p.px(s.Median), y-half-1, p.px(s.Median), y+half+1)
		for _, v := range m.Each(of) {
			if finite(v) {
				p.add(`<circle cx="%.1f" cy="%.1f" r="2.2"/>`, p.px(v), y)
			}
		}
		p.text("value", p.px(s.Max)+7, y, write(s.Median))
		p.add("</g>")
	}
	columns := []column[result.Measure]{
		words("SUBJECT", func(m result.Measure) string { return m.Subject }),
		figures("MEDIAN", "", func(m result.Measure) string { return write(result.Median(m.Each(of))) }),
	}
	for i := range longest {
		columns = append(columns, figures(fmt.Sprintf("ROUND %d", i+1), "", func(m result.Measure) string {
			if i >= len(m.Rounds) {
				return none
			}
			return write(of(m.Rounds[i]))
		}))
	}
	return figure{
		Title: title, Note: "A dot is a round, the line their median, the bar lies between the quartiles.",
		SVG:  p.svg(title+": "+g.Scenario+", "+g.Work, desc),
		Data: tabulate("", 1, all, columns...),
	}
}

package report

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shunt-lb/shunt/bench/result"
)

// dots is a plot with a row for each subject: a dot for each round, a line at
// the median, a bar between the quartiles.
type dots struct {
	title, unit string
	write       func(float64) string
	figure      func(result.Round) float64
}

func (d dots) of(g result.Group, inks inks) figure {
	g.Measures = slices.DeleteFunc(slices.Clone(g.Measures), func(m result.Measure) bool {
		s := result.SpreadOf(m.Each(d.figure))
		return s.Median == 0 || s.Min < 0 // nothing to show, as of direct's processor time
	})
	top := d.top(g)
	if top < 1e-12 || !plottable(top) {
		return figure{}
	}
	n := len(g.Measures)
	p := blank(0, top*1.2, 0.4, float64(n)+0.6) // a fifth for the figure at the end of a row
	ticks := marks(steps(0, top*1.1, 4), trimmed(d.write))
	p.X.Tick.Marker, p.X.Label.Text = ticks, printable(d.unit)
	var names []string
	for _, m := range g.Measures {
		name := m.Subject
		if m.Bounded {
			name = shortened(name) + bounded
		}
		names = append(names, name)
	}
	rows(p, names)
	p.Add(lattice(ticks, nil))
	for i, m := range g.Measures {
		p.Add(d.row(m, float64(n-i), inks[m.Subject]))
	}
	return figure{
		title: d.title,
		note:  "A dot is a round, the line their median, the bar lies between the quartiles.",
		svg:   render(p, wide, 40+26*float64(n), d.title+": "+g.Scenario+", "+g.Work, d.describe(g)),
		data:  d.table(g),
	}
}

// top is the largest figure of all rounds.
func (d dots) top(g result.Group) float64 {
	top := 0.0
	for _, m := range g.Measures {
		top = max(top, result.SpreadOf(m.Each(d.figure)).Max)
	}
	return top
}

func (d dots) row(m result.Measure, y float64, ink ink) drawing {
	s := result.SpreadOf(m.Each(d.figure))
	return func(c draw.Canvas, p *plot.Plot) {
		tx, ty := p.Transforms(&c)
		const half = vg.Length(7)
		at := ty(y)
		box(c, ink.soft(), tx(s.Low), at-half, tx(s.High), at+half)
		c.StrokeLine2(stroke(ink.strong(), 2), tx(s.Median), at-half-1, tx(s.Median), at+half+1)
		glyph := draw.GlyphStyle{Color: ink.strong(), Radius: 2.2, Shape: draw.CircleGlyph{}}
		for _, x := range m.Each(d.figure) {
			if finite(x) {
				c.DrawGlyph(glyph, vg.Point{X: tx(x), Y: at})
			}
		}
		c.FillText(lettering(inkText), vg.Point{X: tx(s.Max) + 7, Y: at}, d.write(s.Median))
	}
}

func (d dots) describe(g result.Group) string {
	var desc strings.Builder
	desc.WriteString("Medians.")
	for _, m := range g.Measures {
		fmt.Fprintf(&desc, " %s: %s.", m.Subject, d.write(result.Median(m.Each(d.figure))))
	}
	return desc.String()
}

func (d dots) table(g result.Group) grid {
	t := grid{names: 1, columns: []column{{name: "SUBJECT"}, {name: "MEDIAN", right: true}}}
	longest := 0
	for _, m := range g.Measures {
		longest = max(longest, len(m.Rounds))
	}
	for i := range longest {
		t.columns = append(t.columns, column{name: fmt.Sprintf("ROUND %d", i+1), right: true})
	}
	for _, m := range g.Measures {
		xs := m.Each(d.figure)
		row := words(m.Subject, d.write(result.Median(xs)))
		for i := range longest {
			cell := cell{text: none}
			if i < len(xs) {
				cell.text = d.write(xs[i])
			}
			row = append(row, cell)
		}
		t.add(row...)
	}
	return t
}

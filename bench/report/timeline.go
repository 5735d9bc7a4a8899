package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shunt-lb/shunt/bench/result"
)

// timeline plots, in a row for each subject, which share of the requests was
// lost when.
func timeline(fault string, all []result.Failover, inks inks) figure {
	all = timed(all)
	if len(all) == 0 {
		return figure{}
	}
	from, to := span(all)
	n := len(all)
	p := blank(from, to+(to-from)*0.22, 0.8, float64(n)+1) // room for the figure at the end of a row
	ticks := marks(steps(from, to, 5), trimmed(func(x float64) string { return number(x) + " s" }))
	p.X.Tick.Marker, p.X.Label.Text = ticks, "after the fault"
	var names []string
	for _, f := range all {
		names = append(names, f.Subject)
	}
	rows(p, names)
	p.Add(lattice(ticks, nil), faultLine)
	var desc strings.Builder
	for i, f := range all {
		p.Add(strip(f, float64(n-i), to, inks[f.Subject]))
		fmt.Fprintf(&desc, "%s lost %d of %d requests. ", f.Subject, f.Lost, f.Requests)
	}
	title := "Requests lost: " + fault
	return figure{
		title: title,
		note:  "Height is the share of requests that was lost, the figure their number, the dashed line the fault.",
		svg:   render(p, wide, 44+34*float64(n), title, desc.String()),
		data:  momentTable(all),
	}
}

// timed returns those of all that have a timeline, with the moments that a plot
// has a place for.
func timed(all []result.Failover) []result.Failover {
	var some []result.Failover
	for _, f := range all {
		f.Timeline = slices.DeleteFunc(slices.Clone(f.Timeline), func(m result.Moment) bool { return !plottable(m.At) })
		if len(f.Timeline) > 1 {
			some = append(some, f)
		}
	}
	return some
}

// span returns when the first moment of all begins and the last one does.
func span(all []result.Failover) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	for _, f := range all {
		from = min(from, f.Timeline[0].At)
		to = max(to, f.Timeline[len(f.Timeline)-1].At)
	}
	return from, to
}

// faultLine marks the time of the fault.
var faultLine drawing = func(c draw.Canvas, p *plot.Plot) {
	tx, _ := p.Transforms(&c)
	c.StrokeLine2(stroke(inkText, 1, 3, 3), tx(0), c.Min.Y, tx(0), c.Max.Y)
}

// strip draws the timeline of f upon y, up to the next row.
func strip(f result.Failover, y, to float64, ink ink) drawing {
	return func(c draw.Canvas, p *plot.Plot) {
		tx, ty := p.Transforms(&c)
		for i, m := range f.Timeline {
			share := result.Ratio(float64(m.Lost), float64(m.Good+m.Lost))
			if share > 0 {
				end := max(tx(m.At+interval(f.Timeline, i)), tx(m.At)+1)
				box(c, inkBad, tx(m.At), ty(y), end, ty(y+share*0.85))
			}
		}
		c.StrokeLine2(stroke(ink.strong(), 1.5), tx(f.Timeline[0].At), ty(y), tx(to), ty(y))
		c.FillText(lettering(inkText), vg.Point{X: tx(to) + 8, Y: ty(y) + 5}, thousands(float64(f.Lost)))
	}
}

// interval returns how long moment i is: until the next one, or as the one before.
func interval(moments []result.Moment, i int) float64 {
	if i == len(moments)-1 {
		i--
	}
	return moments[i+1].At - moments[i].At
}

// momentTable has the moments at which any of all lost something.
func momentTable(all []result.Failover) grid {
	t := grid{names: 1, columns: []column{{name: "AFTER THE FAULT"}}}
	lost := map[float64][]cell{}
	for i, f := range all {
		t.columns = append(t.columns, column{name: f.Subject, right: true})
		for _, m := range f.Timeline {
			if m.Lost == 0 {
				continue
			}
			if lost[m.At] == nil {
				lost[m.At] = make([]cell, len(all))
			}
			lost[m.At][i] = cell{fmt.Sprintf("%d of %d", m.Lost, m.Good+m.Lost), bad}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(lost)) {
		t.add(append([]cell{{text: period(at)}}, lost[at]...)...)
	}
	return t
}

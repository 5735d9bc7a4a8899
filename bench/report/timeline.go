package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// timeline plots the share of requests that was lost over time, in a row for each
// subject.
func timeline(fault string, all []result.Failover, colour palette) figure {
	all = timed(all)
	if len(all) == 0 {
		return figure{}
	}
	x := axis{low: math.Inf(1), high: math.Inf(-1), label: "after the fault", lines: true, margin: 50} // for the number of lost requests
	var names []string
	for _, f := range all {
		names = append(names, shortened(f.Subject))
		x.low, x.high = min(x.low, f.Timeline[0].At), max(x.high, f.Timeline[len(f.Timeline)-1].At)
	}
	x.ticks = ticks(steps(x.low, x.high, 5), func(v float64) string { return number(v) + " s" })
	p := newPlot(wide, 44+34*float64(len(all)), x, rows(names, 0.2, 1))
	var desc strings.Builder
	for i, f := range all {
		lostMoments(p, f, float64(len(all)-i))
		p.add(`<g class="%s">`, colour.class(f.Subject))
		p.line("mark", p.px(f.Timeline[0].At), p.py(float64(len(all)-i)), p.right, p.py(float64(len(all)-i)))
		p.text("value", p.right+8, p.py(float64(len(all)-i))-5, count(f.Lost))
		p.add("</g>")
		fmt.Fprintf(&desc, "%s lost %d of %d requests. ", f.Subject, f.Lost, f.Requests)
	}
	p.line("fault", p.px(0), p.top, p.px(0), p.bottom)
	title := "Requests lost: " + fault
	return figure{
		Title: title, Note: "Height is the share of requests that was lost, the figure their number, the dashed line the fault.",
		SVG: p.svg(title, desc.String()), Data: momentTable(all),
	}
}

// timed returns those of all that have a timeline, with the moments that a plot
// can show.
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

// lostMoments draws the losses of f upwards from y, up to the next row at most.
func lostMoments(p *plot, f result.Failover, y float64) {
	for i, m := range f.Timeline {
		share := result.Ratio(float64(m.Lost), float64(m.Good+m.Lost))
		if share == 0 {
			continue
		}
		j := min(i, len(f.Timeline)-2) // the last moment takes as long as the one before
		end := p.px(m.At + f.Timeline[j+1].At - f.Timeline[j].At)
		p.box("lost", p.px(m.At), p.py(y), max(end, p.px(m.At)+1), p.py(y+share*0.85))
	}
}

// momentTable returns the table of the moments with losses.
func momentTable(all []result.Failover) table {
	columns := []column[float64]{words("AFTER THE FAULT", period)}
	var moments []result.Moment
	for _, f := range all {
		moments = append(moments, f.Timeline...)
		columns = append(columns, marked(f.Subject, "", func(at float64) cell {
			i := slices.IndexFunc(f.Timeline, func(m result.Moment) bool { return m.At == at && m.Lost > 0 })
			if i < 0 {
				return cell{}
			}
			return cell{fmt.Sprintf("%d of %d", f.Timeline[i].Lost, f.Timeline[i].Good+f.Timeline[i].Lost), bad}
		}))
	}
	moments = slices.DeleteFunc(moments, func(m result.Moment) bool { return m.Lost == 0 })
	times := distinct(moments, func(m result.Moment) float64 { return m.At })
	slices.Sort(times)
	return tabulate("", 1, times, columns...)
}

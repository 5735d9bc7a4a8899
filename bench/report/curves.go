package report

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shunt-lb/shunt/bench/result"
)

// A curve is the distribution of a subject's latencies.
type curve struct {
	subject   string
	quantiles []result.Quantile
}

// dashes tell the curves of subjects apart for those who do not see colours.
var dashes = [subjectInks][]vg.Length{nil, {7, 2}, {2, 2}, {7, 2, 2, 2}, {4, 4}, {10, 3}, {1, 3}, {10, 2, 2, 2, 2, 2}}

// latencies plots how slow which share of operations was: towards the right
// each nine takes as much room as the one before, upwards each tenfold does. What
// it is of matters to those who do not see where it stands.
func latencies(title, of string, curves []curve, inks inks) figure {
	curves = drawable(curves)
	if len(curves) == 0 {
		return figure{}
	}
	right, low, high := extent(curves)
	p := blank(0, right*1.04, low, high) // the last label is half to the right of its mark
	p.Y.Scale = plot.LogScale{}
	x, y := nines(right), marks(decades(low, high), trimmed(period))
	p.X.Tick.Marker, p.Y.Tick.Marker = x, y
	p.X.Label.Text = "share of operations that were no slower"
	p.Add(lattice(x, y))
	f := figure{title: title, data: quantileTable(curves)}
	for _, c := range curves {
		p.Add(c.line(inks[c.subject]))
		f.legend = append(f.legend, keyOf(c.subject, inks))
	}
	f.svg = render(p, wide, 240, title+": "+of, "The figures are in the table below the plot.")
	return f
}

// drawable returns curves with the points that a logarithmic plot has a place
// for, without those of fewer than two.
func drawable(curves []curve) []curve {
	var some []curve
	for _, c := range curves {
		qs := slices.DeleteFunc(slices.Clone(c.quantiles), func(q result.Quantile) bool {
			return !plottable(q.Seconds) || q.Seconds < 1e-15 || !(q.Share > 0 && q.Share < 1)
		})
		slices.SortFunc(qs, func(a, b result.Quantile) int {
			return int(math.Copysign(1, a.Share-b.Share))
		})
		if len(qs) > 1 {
			some = append(some, curve{c.subject, qs})
		}
	}
	return some
}

// nine returns how many nines share has: 0.99 has two.
func nine(share float64) float64 { return -math.Log10(1 - share) }

// extent returns the most nines, and the latencies between which curves lie.
func extent(curves []curve) (right, low, high float64) {
	low = math.Inf(1)
	for _, c := range curves {
		for _, q := range c.quantiles {
			right = max(right, nine(q.Share))
			low, high = min(low, q.Seconds), max(high, q.Seconds)
		}
	}
	return right, low / 1.2, high * 1.2
}

// nines are the marks up to right.
func nines(right float64) plot.ConstantTicks {
	all := plot.ConstantTicks{{Value: nine(0.5), Label: "50 %"}, {Value: 1, Label: "90 %"}}
	for i := 2; float64(i) <= right+0.01; i++ {
		label := fmt.Sprintf("99.%.*s %%", i-2, "99999999999999")
		if i == 2 {
			label = "99 %"
		}
		all = append(all, plot.Tick{Value: float64(i), Label: label})
	}
	return slices.DeleteFunc(all, func(t plot.Tick) bool { return t.Value > right+0.01 })
}

// decades returns 1, 10, 100 ... between low and high, with 2 and 5 in between
// where there is room for them.
func decades(low, high float64) []float64 {
	factors := []float64{1}
	if high/low < 500 {
		factors = []float64{1, 2, 5}
	}
	var values []float64
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, f := range factors {
			if v := f * math.Pow(10, e); v >= low && v <= high {
				values = append(values, v)
			}
		}
	}
	return values
}

func (cv curve) line(ink ink) drawing {
	return func(c draw.Canvas, p *plot.Plot) {
		tx, ty := p.Transforms(&c)
		var points []vg.Point
		for _, q := range cv.quantiles {
			points = append(points, vg.Point{X: tx(nine(q.Share)), Y: ty(q.Seconds)})
		}
		c.StrokeLines(stroke(ink.strong(), 1.8, dashes[ink]...), points)
	}
}

func quantileTable(curves []curve) grid {
	t := grid{names: 1, columns: []column{{name: "SHARE"}}}
	known := map[float64]bool{}
	for _, c := range curves {
		t.columns = append(t.columns, column{name: c.subject, right: true})
		for _, q := range c.quantiles {
			known[q.Share] = true
		}
	}
	for _, share := range slices.Sorted(maps.Keys(known)) {
		row := words(fmt.Sprintf("%.6g %%", share*100))
		for _, c := range curves {
			text := none
			if i := slices.IndexFunc(c.quantiles, func(q result.Quantile) bool { return q.Share == share }); i >= 0 {
				text = period(c.quantiles[i].Seconds)
			}
			row = append(row, cell{text: text})
		}
		t.add(row...)
	}
	return t
}

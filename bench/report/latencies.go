package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// A curve is the distribution of a subject's latencies.
type curve struct {
	subject   string
	quantiles []result.Quantile
}

// latencies plots the latency over the share of operations that were no slower,
// with shares by their number of nines and latencies on a logarithmic axis. The
// text of names the operations for readers who do not see the plot.
func latencies(title, of string, curves []curve, colour palette) figure {
	curves = drawable(curves)
	if len(curves) == 0 {
		return figure{}
	}
	f := figure{Title: title, Data: quantileTable(curves)}
	x, y := axis{label: "share of operations that were no slower", lines: true, margin: 10}, axis{low: math.Inf(1), log: true, lines: true}
	for _, c := range curves {
		for _, q := range c.quantiles {
			x.high, y.low, y.high = max(x.high, nines(q.Share)), min(y.low, q.Seconds/1.2), max(y.high, q.Seconds*1.2)
		}
	}
	x.ticks, y.ticks = nineTicks(x.high), ticks(decades(y.low, y.high), period)
	p := newPlot(wide, 240, x, y)
	for _, c := range curves {
		var d []string
		for _, q := range c.quantiles {
			d = append(d, fmt.Sprintf("%.1f %.1f", p.px(nines(q.Share)), p.py(q.Seconds)))
		}
		p.add(`<g class="%s"><path class="curve" d="M%s"/></g>`, colour.class(c.subject), strings.Join(d, "L"))
		f.Legend = append(f.Legend, key{c.subject, colour.class(c.subject)})
	}
	f.SVG = p.svg(title+": "+of, "The figures are in the table below the plot.")
	return f
}

// drawable returns the curves with the points that a logarithmic plot can show,
// without curves of fewer than two.
func drawable(curves []curve) []curve {
	var some []curve
	for _, c := range curves {
		qs := slices.DeleteFunc(slices.Clone(c.quantiles), func(q result.Quantile) bool {
			return !plottable(q.Seconds) || q.Seconds < 1e-15 || !(q.Share > 0 && q.Share < 1)
		})
		slices.SortFunc(qs, func(a, b result.Quantile) int { return cmp.Compare(a.Share, b.Share) })
		if len(qs) > 1 {
			some = append(some, curve{c.subject, qs})
		}
	}
	return some
}

// nines returns how many nines share has: 0.99 has two.
func nines(share float64) float64 { return -math.Log10(1 - share) }

// nineTicks are 50 %, 90 %, 99 % … up to so many nines.
func nineTicks(most float64) []tick {
	all := []tick{{nines(0.5), "50 %"}, {1, "90 %"}, {2, "99 %"}}
	for i := 3; float64(i) <= most+0.01; i++ {
		all = append(all, tick{float64(i), "99." + strings.Repeat("9", i-2) + " %"})
	}
	return slices.DeleteFunc(all, func(t tick) bool { return t.at > most+0.01 })
}

// decades returns 1, 10, 100 … between low and high, with 2 and 5 in between
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

func quantileTable(curves []curve) table {
	columns := []column[float64]{words("SHARE", func(share float64) string { return fmt.Sprintf("%.6g %%", share*100) })}
	var all []result.Quantile
	for _, c := range curves {
		all = append(all, c.quantiles...)
		columns = append(columns, figures(c.subject, "", func(share float64) string {
			i := slices.IndexFunc(c.quantiles, func(q result.Quantile) bool { return q.Share == share })
			if i < 0 {
				return none
			}
			return period(c.quantiles[i].Seconds)
		}))
	}
	shares := distinct(all, func(q result.Quantile) float64 { return q.Share })
	slices.Sort(shares)
	return tabulate("", 1, shares, columns...)
}

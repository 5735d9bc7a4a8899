package report

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shunt-lb/shunt/bench/result"
)

// distribution plots what each real server got, with a line where it was
// expected to end.
func distribution(s result.Scheduler, inks inks) figure {
	top := uint64(0)
	for i := range s.Got {
		top = max(top, s.Got[i], expected(s, i))
	}
	if top == 0 {
		return figure{}
	}
	n := len(s.Got)
	p := blank(-0.6, float64(n)-0.4, 0, float64(top)*1.08)
	y := marks(steps(0, float64(top), 4), short)
	p.Y.Tick.Marker, p.X.Tick.Marker = y, servers(n)
	p.X.Tick.Length = 0
	p.X.Padding = 2
	p.Add(lattice(nil, y), bars(s, inks[s.Subject]))
	title := fmt.Sprintf("%s, %s, %s", s.Subject, s.Name, s.Protocol)
	f := figure{title: title, small: true, data: distributionTable(s)}
	f.svg = render(p, narrow, 150, title+": connections for each real server", "Got "+list(s.Got, n)+". Expected "+list(s.Expected, n)+".")
	f.note = "Verdict: " + s.Verdict
	if len(s.Expected) > 0 {
		f.note += ". A line is what was expected."
	}
	return f
}

// expected returns what real server i should have got, and 0 where that is not
// known.
func expected(s result.Scheduler, i int) uint64 {
	if i >= len(s.Expected) {
		return 0
	}
	return s.Expected[i]
}

// servers are marks for n real servers, not all of them where there are many.
func servers(n int) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i := 0; i < n; i += (n + 15) / 16 {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: strconv.Itoa(i)})
	}
	return ticks
}

func bars(s result.Scheduler, ink ink) drawing {
	return func(c draw.Canvas, p *plot.Plot) {
		tx, ty := p.Transforms(&c)
		for i, got := range s.Got {
			x := float64(i)
			box(c, ink.strong(), tx(x-0.32), ty(0), tx(x+0.32), ty(float64(got)))
			if i < len(s.Expected) {
				y := ty(float64(s.Expected[i]))
				c.StrokeLine2(stroke(inkExpect, 2), tx(x-0.45), y, tx(x+0.45), y)
			}
		}
	}
}

func distributionTable(s result.Scheduler) grid {
	t := grid{names: 1, columns: []column{
		{name: "REAL SERVER"}, {name: "WEIGHT", right: true}, {name: "GOT", right: true}, {name: "EXPECTED", right: true},
	}}
	for i, got := range s.Got {
		weight, want := none, none
		if i < len(s.Weights) {
			weight = strconv.Itoa(s.Weights[i])
		}
		if i < len(s.Expected) {
			want = thousands(float64(s.Expected[i]))
		}
		t.add(words(strconv.Itoa(i), weight, thousands(float64(got)), want)...)
	}
	return t
}

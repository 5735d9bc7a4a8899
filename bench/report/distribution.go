package report

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/shunt-lb/shunt/bench/result"
)

// distribution plots what each real server got, with a line where it was
// expected to end.
func distribution(s result.Scheduler, colour palette) figure {
	n := min(len(s.Got), len(s.Expected))
	top := float64(slices.Max(append(slices.Concat(s.Got, s.Expected[:n]), 0)))
	if top == 0 {
		return figure{}
	}
	x := axis{low: -0.6, high: float64(len(s.Got)) - 0.4}
	for i := 0; i < len(s.Got); i += (len(s.Got) + 15) / 16 { // not all where there are many
		x.ticks = append(x.ticks, tick{float64(i), strconv.Itoa(i)})
	}
	p := newPlot(narrow, 150, x, axis{high: top * 1.08, ticks: ticks(steps(0, top, 4), short), lines: true})
	p.add(`<g class="%s">`, colour.class(s.Subject))
	servers := make([]int, len(s.Got))
	for i, got := range s.Got {
		servers[i] = i
		p.box("bar", p.px(float64(i)-0.32), p.bottom, p.px(float64(i)+0.32), p.py(float64(got)))
	}
	p.add("</g>")
	for i, want := range s.Expected[:n] {
		y := p.py(float64(want))
		p.line("expected", p.px(float64(i)-0.45), y, p.px(float64(i)+0.45), y)
	}
	title := fmt.Sprintf("%s, %s, %s", s.Subject, s.Name, s.Protocol)
	f := figure{
		Title: title, Note: "Verdict: " + s.Verdict,
		SVG: p.svg(title+": connections for each real server", "Got "+list(s.Got, len(s.Got))+". Expected "+list(s.Expected, n)+"."),
		Data: tabulate("", 1, servers,
			words("REAL SERVER", strconv.Itoa),
			figures("WEIGHT", "", func(i int) string { return nth(s.Weights, i, func(w int) string { return strconv.Itoa(w) }) }),
			figures("GOT", "", func(i int) string { return nth(s.Got, i, count) }),
			figures("EXPECTED", "", func(i int) string { return nth(s.Expected, i, count) })),
	}
	if n > 0 {
		f.Note += ". A line is what was expected."
	}
	return f
}

// nth writes the i-th of xs, where there is one.
func nth[T any](xs []T, i int, write func(T) string) string {
	if i >= len(xs) {
		return none
	}
	return write(xs[i])
}

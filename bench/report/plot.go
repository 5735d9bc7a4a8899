package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"unicode/utf8"
)

const (
	wide      = 360 // width of a plot: as wide as a telephone, so that letters stay legible there
	narrow    = 260 // width of one of several small plots
	nameLimit = 16  // letters of a name beside an axis
	letter    = 5.9 // width of a letter of the style sheet's size, rather too much than too little
)

// A plot is an image in SVG for the inside of a page: it has colours and letters
// from the page's style sheet, and as much room as it is given.
type plot struct {
	body                     strings.Builder
	width, height            float64
	left, right, top, bottom float64 // edges of the area that x and y span
	x, y                     axis
}

// An axis spans from low to high.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
	label     string  // under the x axis
	lines     bool    // across the plot, one for each tick
	margin    float64 // free room behind high
}

type tick struct {
	at    float64
	label string
}

// ticks are labelled at the values as write writes them, without zeros at the end.
func ticks(values []float64, write func(float64) string) []tick {
	var all []tick
	for _, v := range values {
		figure, unit, _ := strings.Cut(write(v), " ")
		if strings.Contains(figure, ".") {
			figure = strings.TrimRight(strings.TrimRight(figure, "0"), ".")
		}
		all = append(all, tick{v, strings.TrimSpace(figure + " " + unit)})
	}
	return all
}

// rows is a y axis of names, from above, at n to 1.
func rows(names []string, below, above float64) axis {
	a := axis{low: 1 - below, high: float64(len(names)) + above}
	for i, n := range names {
		a.ticks = append(a.ticks, tick{float64(len(names) - i), n})
	}
	return a
}

// shortened returns name so that it fits beside an axis.
func shortened(name string) string {
	if rs := []rune(name); len(rs) > nameLimit {
		return string(rs[:nameLimit-1]) + "…"
	}
	return name
}

// newPlot returns a plot with axes and nothing else.
func newPlot(width, height float64, x, y axis) *plot {
	p := &plot{width: width, height: height, x: x, y: y, top: 6, right: width - 12 - x.margin, bottom: height - 18}
	if x.label != "" {
		p.bottom -= 17
	}
	for _, t := range y.ticks {
		p.left = max(p.left, 8+letter*float64(utf8.RuneCountInString(t.label)))
	}
	for _, t := range x.ticks {
		if x.lines {
			p.line("grid", p.px(t.at), p.top, p.px(t.at), p.bottom)
		}
		p.text("middle", p.px(t.at), p.bottom+11, t.label)
	}
	for _, t := range y.ticks {
		if y.lines {
			p.line("grid", p.left, p.py(t.at), p.right+x.margin, p.py(t.at))
		}
		p.text("end", p.left-6, p.py(t.at), t.label)
	}
	p.text("middle label", (p.left+p.right)/2, height-7, x.label)
	return p
}

func (p *plot) px(x float64) float64 { return p.left + p.x.share(x)*(p.right-p.left) }
func (p *plot) py(y float64) float64 { return p.bottom - p.y.share(y)*(p.bottom-p.top) }

// share returns where v is on the axis: 0 is low, 1 is high.
func (a axis) share(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	if high <= low {
		high = low + 1
	}
	return (v - low) / (high - low)
}

func (p *plot) add(format string, args ...any) { fmt.Fprintf(&p.body, format, args...) }

func (p *plot) line(class string, x0, y0, x1, y1 float64) {
	p.add(`<path class="%s" d="M%.1f %.1fL%.1f %.1f"/>`, class, x0, y0, x1, y1)
}

func (p *plot) box(class string, x0, y0, x1, y1 float64) {
	p.add(`<path class="%s" d="M%.1f %.1fH%.1fV%.1fH%.1fZ"/>`, class, x0, y0, x1, y1, x0)
}

// text writes s with its middle at the height y, and begins it at x unless the
// class says otherwise.
func (p *plot) text(class string, x, y float64, s string) {
	p.add(`<text class="%s" x="%.1f" y="%.1f" dy=".35em">%s</text>`, class, x, y, template.HTMLEscapeString(s))
}

// svg returns the image. Title and desc are for those who do not see it.
func (p *plot) svg(title, desc string) template.HTML {
	title, desc = template.HTMLEscapeString(title), template.HTMLEscapeString(desc)
	return template.HTML(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s"><title>%s</title><desc>%s</desc>%s</svg>`,
		p.width, p.height, title, title, desc, p.body.String()))
}

// plottable reports whether a plot can show x: arithmetic on greater figures,
// which no measurement has, overflows.
func plottable(x float64) bool { return math.Abs(x) < 1e15 }

// steps returns round values from low to high, about n of them.
func steps(low, high float64, n int) []float64 {
	rough := (high - low) / float64(n)
	size := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if size*f >= rough {
			size *= f
			break
		}
	}
	var values []float64
	first := math.Ceil(low / size)
	for i := range 3 * n { // far from 0 a step may be too small to be one
		if v := (first + float64(i)) * size; v <= high {
			values = append(values, v)
		}
	}
	return values
}

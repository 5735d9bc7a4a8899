package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	letters   = 12  // size of text in a plot
	wide      = 360 // width of a plot: as wide as a telephone, so that letters stay legible there
	narrow    = 260 // width of one of several small plots
	nameLimit = 16  // letters of a name beside an axis
)

// plottable reports whether a plot has a place for x: arithmetic on greater
// figures, which nothing measured has, overflows.
func plottable(x float64) bool { return math.Abs(x) < 1e15 }

// A drawing is a part of a plot.
type drawing func(c draw.Canvas, p *plot.Plot)

// Plot implements plot.Plotter.
func (d drawing) Plot(c draw.Canvas, p *plot.Plot) { d(c, p) }

// blank returns a plot of an area, with axes that have no marks yet.
func blank(xmin, xmax, ymin, ymax float64) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = xmin, xmax, ymin, ymax
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = inkLine, inkLine
		a.Tick.Length = 3
		a.Padding = 0
		a.Tick.Label.Color, a.Label.TextStyle.Color = inkText, inkFaint
		a.Tick.Label.Font.Size, a.Label.TextStyle.Font.Size = letters, letters
		a.Tick.Label.Font.Variant, a.Label.TextStyle.Font.Variant = "Sans", "Sans"
		a.Label.Padding = 3
		a.Tick.Marker = plot.ConstantTicks{}
	}
	return p
}

// rows makes the y axis of p one of names, from above, at n to 1.
func rows(p *plot.Plot, names []string) {
	var ticks plot.ConstantTicks
	for i, n := range names {
		ticks = append(ticks, plot.Tick{Value: float64(len(names) - i), Label: shortened(n)})
	}
	p.Y.Tick.Marker = ticks
	p.Y.Tick.Length = 0
	p.Y.Padding = 4
}

// shortened returns name so that it fits beside an axis.
func shortened(name string) string {
	rs := []rune(printable(name))
	if len(rs) <= nameLimit {
		return string(rs)
	}
	return string(rs[:nameLimit-1]) + "…"
}

// marks are the values at which an axis has labels.
func marks(values []float64, write func(float64) string) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, v := range values {
		ticks = append(ticks, plot.Tick{Value: v, Label: write(v)})
	}
	return ticks
}

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

// lattice draws a faint line across the plot for each mark of the axes.
func lattice(x, y plot.ConstantTicks) drawing {
	return func(c draw.Canvas, p *plot.Plot) {
		tx, ty := p.Transforms(&c)
		for _, t := range x {
			c.StrokeLine2(stroke(inkLine, 0.5), tx(t.Value), c.Min.Y, tx(t.Value), c.Max.Y)
		}
		for _, t := range y {
			c.StrokeLine2(stroke(inkLine, 0.5), c.Min.X, ty(t.Value), c.Max.X, ty(t.Value))
		}
	}
}

func stroke(c color.Color, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dashes}
}

// lettering is the style of text that begins at its point.
func lettering(c color.Color) text.Style {
	style := plot.New().X.Tick.Label
	style.Color, style.Font.Size, style.Font.Variant = c, letters, "Sans"
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	return style
}

// box fills a rectangle.
func box(c draw.Canvas, ink color.Color, x0, y0, x1, y1 vg.Length) {
	c.FillPolygon(ink, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}

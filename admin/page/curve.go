package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/admin/text"
)

// The size of a curve's drawing, in its own units.
const (
	curveWidth  = 240
	curveHeight = 40
)

// A curve is a drawing of the last hour: what it shows in a word, its latest value, a
// sentence for who does not see it, and the points of its line.
type curve struct {
	What, Now, Sentence, Line string
}

// draw returns the curves of points, none for fewer than two.
func draw(points []curves.Point) []curve {
	if len(points) < 2 {
		return nil
	}
	perSecond := func(f float32) string {
		if f >= 10 {
			return fmt.Sprintf("%.0f/s", f)
		}
		return fmt.Sprintf("%.2g/s", f)
	}
	took := func(f float32) string {
		if f == 0 {
			return "none"
		}
		return "≤ " + text.Took(time.Duration(float64(f)*float64(time.Second)))
	}
	return []curve{
		line(points, "connections", perSecond, func(p curves.Point) float32 { return p.Connections }),
		line(points, "errors", perSecond, func(p curves.Point) float32 { return p.Errors }),
		line(points, "check time", took, func(p curves.Point) float32 { return p.Check }),
	}
}

// line draws one value of each point, from the bottom to the greatest at the top.
func line(points []curves.Point, what string, words func(float32) string, of func(curves.Point) float32) curve {
	var most float32
	for _, p := range points {
		most = max(most, of(p))
	}
	var b strings.Builder
	step := float32(curveWidth) / float32(curves.Points-1)
	from := curveWidth - step*float32(len(points)-1)
	for i, p := range points {
		y := float32(curveHeight - 1)
		if most > 0 {
			y -= (curveHeight - 2) * of(p) / most
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", from+step*float32(i), y)
	}
	now := words(of(points[len(points)-1]))
	return curve{
		What: what, Now: now, Line: strings.TrimSuffix(b.String(), " "),
		Sentence: fmt.Sprintf("%s of the last %s: now %s, at most %s", what, text.Span(time.Duration(len(points))*curves.Every), now, words(most)),
	}
}

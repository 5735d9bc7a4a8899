package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An svg is an image for the inside of a page: it takes colours and letters
// from the page's style sheet, and as much room as it is given.
type svg = template.HTML

var (
	svgStart  = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	svgLetter = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
	svgText   = regexp.MustCompile(`<text ([^>]*)>([^<]*)</text>`)
	svgColour = regexp.MustCompile(`(fill|stroke):#[0-9A-F]{6}`)
)

// render draws p with a width and height in the units that letters are measured
// in. Title and desc are for those who do not see the image.
func render(p *plot.Plot, width, height float64, title, desc string) svg {
	c := vgsvg.New(vg.Points(width), vg.Points(height))
	// Room for the half of a label that stands out of the data's area.
	p.Draw(draw.Crop(draw.New(c), 2, -6, 1, -4))
	var b bytes.Buffer
	_, _ = c.WriteTo(&b) // memory takes all
	title, desc = template.HTMLEscapeString(printable(title)), template.HTMLEscapeString(printable(desc))
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s"><title>%s</title><desc>%s</desc>`,
		width, height, title, title, desc)
	// What the expressions match has neither text nor names of a run in it:
	// quotes are escaped there.
	s := strings.TrimPrefix(b.String(), svgStart.FindString(b.String()))
	s = svgLetter.ReplaceAllString(s, "")
	s = svgText.ReplaceAllStringFunc(s, fitted)
	s = svgColour.ReplaceAllStringFunc(s, variable)
	return svg(head + s)
}

// fitted gives an element of text the width that the plot was laid out with,
// whatever letters the reader's machine has.
func fitted(element string) string {
	m := svgText.FindStringSubmatch(element)
	width := lettering(inkText).Width(html.UnescapeString(m[2])).Points()
	if width <= 0 {
		return element
	}
	return fmt.Sprintf(`<text textLength="%.1f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, width, m[1], m[2])
}

// variable returns declaration with the style sheet's variable instead of the
// colour that stands for it.
func variable(declaration string) string {
	property, colour, _ := strings.Cut(declaration, ":")
	name, ok := inkNames[colour]
	if !ok {
		return property + ":currentColor"
	}
	return property + ":var(" + name + ")"
}

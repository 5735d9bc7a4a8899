package report

import (
	"fmt"
	"image/color"

	"github.com/shunt-lb/shunt/bench/result"
)

// Plots are drawn in colours that stand for variables of the page's style sheet,
// which has values for light and for dark; svg.go replaces them.
var (
	inkText   = color.RGBA{R: 1, A: 255}
	inkFaint  = color.RGBA{R: 2, A: 255}
	inkLine   = color.RGBA{R: 3, A: 255}
	inkBad    = color.RGBA{R: 4, A: 255}
	inkExpect = color.RGBA{R: 5, A: 255}
)

// subjectInks is how many colours the style sheet has for subjects.
const subjectInks = 8

// inkNames are the variables for colours as SVG writes them.
var inkNames = func() map[string]string {
	names := map[string]string{
		hex(inkText): "--ink", hex(inkFaint): "--faint", hex(inkLine): "--line",
		hex(inkBad): "--bad", hex(inkExpect): "--expect",
	}
	for i := range subjectInks {
		names[hex(ink(i).strong())] = fmt.Sprintf("--s%d", i)
		names[hex(ink(i).soft())] = fmt.Sprintf("--soft%d", i)
	}
	return names
}()

func hex(c color.RGBA) string {
	return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B)
}

// inks give each subject one colour on the whole page.
type inks map[string]ink

// An ink is the number of a subject's colour.
type ink uint8

func (i ink) strong() color.RGBA { return color.RGBA{G: 1, B: uint8(i), A: 255} }
func (i ink) soft() color.RGBA   { return color.RGBA{G: 2, B: uint8(i), A: 255} }

func inksOf(run result.Run) inks {
	all := inks{}
	add := func(subject string) {
		if _, ok := all[subject]; !ok {
			all[subject] = ink(len(all) % subjectInks)
		}
	}
	for _, m := range run.Measures {
		add(m.Subject)
	}
	for _, s := range run.Schedulers {
		add(s.Subject)
	}
	for _, f := range run.Failovers {
		add(f.Subject)
	}
	for _, c := range run.Checks {
		add(c.Subject)
	}
	return all
}

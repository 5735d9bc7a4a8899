package report

import (
	"fmt"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// A section is one part of a report. The terminal shows its tables, the page its
// figures as well.
type section struct {
	title   string
	about   string   // what the tables say
	tables  []grid   // never without rows
	notes   []string // what to know when reading them
	figures []figure
}

// A figure is a plot on the page with its figures as a table.
type figure struct {
	title, note string
	svg         svg // empty where there is nothing to plot
	legend      []key
	data        grid
	small       bool // one of several that stand side by side
}

// A key explains one line of a figure.
type key struct {
	Name   string
	Ink    ink
	Dashes string // as SVG has them
}

func keyOf(subject string, inks inks) key {
	k := key{Name: printable(subject), Ink: inks[subject], Dashes: "none"}
	if d := dashes[k.Ink]; len(d) > 0 {
		k.Dashes = strings.Trim(fmt.Sprint(d), "[]")
	}
	return k
}

// sections are those of run that have anything to show.
func sections(run result.Run) []section {
	inks := inksOf(run)
	var all []section
	if s := summary(run); len(s.tables) > 0 {
		all = append(all, s)
	}
	for _, g := range run.Groups() {
		all = append(all, measures(g, inks))
	}
	if len(run.Schedulers) > 0 {
		all = append(all, schedulers(run.Schedulers, inks))
	}
	if len(run.Rewrites) > 0 {
		all = append(all, rewrites(run.Rewrites))
	}
	if len(run.Failovers) > 0 {
		all = append(all, failovers(run.Failovers, inks))
	}
	if len(run.Checks) > 0 {
		all = append(all, checks(run.Checks, inks))
	}
	return all
}

package report

import (
	"fmt"
	"io"
	"strconv"
)

// Print writes c for people: what makes the runs hard to compare first, then a
// table for each kind of work, then what else got worse. The error is w's.
func (c Comparison) Print(w io.Writer, o Options) error {
	p := printer{Options: o}
	if len(c.Warnings) > 0 {
		p.line("%s", p.paint("33", "The runs differ in more than the figures"))
		for _, t := range c.Warnings {
			p.text("- ", t)
		}
	}
	all := c.grids()
	if len(c.Ratios) > 0 {
		all = append(all, ratioGrid(c.Ratios))
	}
	for _, g := range all {
		p.line("\n%s\n", p.paint("1", g.title))
		p.grid(g)
	}
	p.heading("Got worse besides", c.Findings)
	p.line("")
	p.text("", c.summary())
	_, err := w.Write(p.out.Bytes())
	return err
}

// grids returns a table for each kind of work.
func (c Comparison) grids() []grid {
	var all []grid
	for _, ch := range c.Changes {
		title := ch.Scenario + ": " + ch.Work
		if len(all) == 0 || all[len(all)-1].title != title {
			all = append(all, grid{title: title, names: 2, columns: []column{
				{name: "SUBJECT"},
				{name: "FIGURE"},
				{name: "OLD", right: true},
				{name: "NEW", right: true},
				{name: "RATIO", right: true},
				{name: "P", right: true},
				{name: "VERDICT"},
			}})
		}
		all[len(all)-1].add(ch.row()...)
	}
	return all
}

func (ch Change) row() []cell {
	row := words(ch.Subject, ch.Figure, ch.write(ch.Old), ch.write(ch.New), times(ch.Ratio), strconv.FormatFloat(ch.P, 'f', 3, 64))
	return append(row, cell{string(ch.Verdict), moods[ch.Verdict]})
}

var moods = map[Verdict]mood{Better: good, Worse: bad, Bounded: doubt, TooFew: doubt, Same: faint}

// summary counts verdicts, and says how many of them chance alone would bring.
func (c Comparison) summary() string {
	counts := map[Verdict]int{}
	for _, ch := range c.Changes {
		counts[ch.Verdict]++
	}
	tested := counts[Same] + counts[Better] + counts[Worse]
	switch {
	case len(c.Changes) == 0:
		return "The runs have no figures in common."
	case tested == 0:
		return "Nothing could be tested: a difference shows from four rounds in each run on."
	}
	return fmt.Sprintf("Of %d figures tested %d got better and %d worse, by the Mann-Whitney U test at 0.05; chance alone makes about %.0f of so many differ.",
		tested, counts[Better], counts[Worse], float64(tested)*0.05)
}

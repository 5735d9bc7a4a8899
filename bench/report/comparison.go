package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Print writes c for people: the warnings, a table for each kind of work, and the
// findings. The error is w's.
func (c Comparison) Print(w io.Writer, o Options) error {
	c = printable(c)
	p := printer{Options: o}
	if len(c.Warnings) > 0 {
		p.line("%s", p.paint("33", "The runs differ in more than the figures"))
		for _, t := range c.Warnings {
			p.text("- ", t)
		}
	}
	title := func(ch Change) string { return ch.Scenario + ": " + ch.Work }
	for _, work := range distinct(c.Changes, title) {
		p.comparison(changeTable(work, slices.DeleteFunc(slices.Clone(c.Changes), func(ch Change) bool { return title(ch) != work })))
	}
	if len(c.Ratios) > 0 {
		p.comparison(ratioTable(c.Ratios))
	}
	p.list("Got worse besides", c.Findings)
	p.line("")
	p.text("", c.summary())
	_, err := w.Write(p.out.Bytes())
	return err
}

func (p *printer) comparison(t table) {
	p.line("\n%s\n", p.paint("1", t.Title))
	p.table(t)
}

var verdictMarks = map[Verdict]mark{Better: good, Worse: bad, Bounded: doubt, TooFew: doubt, Same: faint}

func changeTable(title string, all []Change) table {
	return tabulate(title, 2, all,
		words("SUBJECT", func(c Change) string { return c.Subject }),
		words("FIGURE", func(c Change) string { return c.Figure }),
		figures("OLD", "", func(c Change) string { return c.write(c.Old) }),
		figures("NEW", "", func(c Change) string { return c.write(c.New) }),
		figures("RATIO", "", func(c Change) string { return times(c.Ratio) }),
		figures("P", "", func(c Change) string { return strconv.FormatFloat(c.P, 'f', 3, 64) }),
		column[Change]{heading{Name: "VERDICT"}, func(c Change) cell { return cell{string(c.Verdict), verdictMarks[c.Verdict]} }})
}

// ratioTable marks the ratios that differ by a tenth.
func ratioTable(all []Ratio) table {
	return tabulate("Processor time for one operation, between subjects of one run", 2, all,
		words("WORK", func(r Ratio) string { return r.Scenario + ": " + r.Work }),
		words("SUBJECTS", func(r Ratio) string { return r.Subject + " to " + r.To }),
		figures("OLD", "", func(r Ratio) string { return times(r.Old) }),
		figures("NEW", "", func(r Ratio) string { return times(r.New) }),
		marked("CHANGE", "", func(r Ratio) cell {
			c := cell{Text: fmt.Sprintf("%+.1f %%", 100*r.Change())}
			if r.Change() > 0.1 || r.Change() < -0.1 {
				c.Mark = doubt
			}
			return c
		}))
}

// summary returns the numbers of verdicts, and how many of them chance alone
// would cause.
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

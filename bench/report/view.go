package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// pageOf turns run into what the page's template shows.
func pageOf(run result.Run) pageData {
	d := pageData{Style: template.CSS(pageStyle), Began: began(run)}
	for _, l := range run.Limits {
		d.Limits = append(d.Limits, printable(l))
	}
	for _, f := range facts(run) {
		d.Facts = append(d.Facts, pageFact{f.name, printable(f.text)})
	}
	d.Commands = commands(run.Measures)
	for i, s := range sections(run) {
		d.Sections = append(d.Sections, viewSection(fmt.Sprintf("section-%d", i+1), s))
	}
	return d
}

// commands returns how each subject was started, every way once.
func commands(ms []result.Measure) []pageFact {
	var all []pageFact
	seen := map[pageFact]bool{}
	for _, m := range ms {
		f := pageFact{printable(m.Subject), printable(m.Command)}
		if m.Command != "" && !seen[f] {
			seen[f] = true
			all = append(all, f)
		}
	}
	return all
}

func viewSection(id string, s section) pageSection {
	v := pageSection{ID: id, Title: printable(s.title), About: printable(s.about)}
	for _, n := range s.notes {
		v.Notes = append(v.Notes, printable(n))
	}
	for _, t := range s.tables {
		v.Tables = append(v.Tables, viewTable(t))
	}
	for _, f := range s.figures {
		plot := pageFigure{Title: printable(f.title), Note: printable(f.note), SVG: f.svg, Legend: f.legend, Data: viewTable(f.data)}
		if f.small {
			v.Small = append(v.Small, plot)
		} else {
			v.Plots = append(v.Plots, plot)
		}
	}
	return v
}

func viewTable(g grid) pageTable {
	t := pageTable{Title: printable(g.title)}
	for _, c := range g.columns {
		t.Columns = append(t.Columns, pageColumn{printable(c.name), printable(c.about), c.right})
	}
	for _, r := range g.rows {
		var row []pageCell
		for i, c := range r {
			row = append(row, pageCell{printable(c.text), class(g.columns[i], c)})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func class(col column, c cell) string {
	if !col.right {
		return string(c.mood)
	}
	return strings.TrimSpace("right " + string(c.mood))
}

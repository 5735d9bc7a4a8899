package report

import (
	_ "embed"
	"html/template"
	"io"
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle template.CSS

	page = template.Must(template.New("page").Parse(pageText))
)

// HTML writes run as one page that needs nothing from elsewhere: plots, tables,
// and the data of each plot as a table. It follows the reader's choice of light
// or dark. The error is w's.
func HTML(w io.Writer, run result.Run) error {
	run = printable(run)
	started := slices.DeleteFunc(slices.Clone(run.Measures), func(m result.Measure) bool { return m.Command == "" })
	return page.Execute(w, struct {
		Style           template.CSS
		Began           string
		Facts, Commands []fact
		Limits          []string
		Sections        []section
	}{
		pageStyle, began(run), facts(run),
		distinct(started, func(m result.Measure) fact { return fact{m.Subject, m.Command} }),
		run.Limits, sections(run),
	})
}

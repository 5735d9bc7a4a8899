package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/shunt-lb/shunt/bench/result"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	page = template.Must(template.New("page").Parse(pageText))
)

// HTML writes run as one page that needs nothing from elsewhere: plots, tables,
// and the figures of each plot as a table. It follows the reader's choice of
// light or dark. The error is w's.
func HTML(w io.Writer, run result.Run) error {
	return page.Execute(w, pageOf(run))
}

// pageData is what the template shows.
type pageData struct {
	Style    template.CSS
	Began    string
	Facts    []pageFact
	Commands []pageFact
	Limits   []string
	Sections []pageSection
}

type pageFact struct{ Name, Text string }

type pageSection struct {
	ID, Title, About string
	Tables           []pageTable
	Notes            []string
	Plots, Small     []pageFigure // those to a row of their own size
}

type pageTable struct {
	Title   string
	Columns []pageColumn
	Rows    [][]pageCell
}

type pageColumn struct {
	Name, About string
	Right       bool
}

type pageCell struct {
	Text  string
	Class string
}

type pageFigure struct {
	Title, Note string
	SVG         template.HTML
	Legend      []key
	Data        pageTable
}

package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// gap is what stands between columns.
const gap = 2

// colours are the ANSI codes of moods.
var colours = map[mood]string{good: "32", bad: "31;1", doubt: "33", faint: "2"}

// grid writes g in as many parts as the width asks for.
func (p *printer) grid(g grid) {
	for i, columns := range parts(g, p.Width) {
		if i > 0 {
			p.line("")
		}
		p.part(g.only(columns))
	}
}

// parts divides the columns of g so that each part, which begins with those that
// name the row, is at most width wide, unless they and one column are wider.
func parts(g grid, width int) [][]int {
	sizes := widths(g)
	names := -gap
	for _, size := range sizes[:g.names] {
		names += size + gap
	}
	part, used := g.naming(), names
	var all [][]int
	for i := g.names; i < len(sizes); i++ {
		if width > 0 && used+gap+sizes[i] > width && len(part) > g.names {
			all = append(all, part)
			part, used = g.naming(), names
		}
		part = append(part, i)
		used += gap + sizes[i]
	}
	return append(all, part)
}

func widths(g grid) []int {
	sizes := make([]int, len(g.columns))
	for i, c := range g.columns {
		sizes[i] = text.StringWidth(c.name)
		for _, r := range g.rows {
			sizes[i] = max(sizes[i], text.StringWidth(printable(r[i].text)))
		}
	}
	return sizes
}

// part writes g without lines between cells.
func (p *printer) part(g grid) {
	t := table.NewWriter()
	t.SetStyle(table.StyleDefault)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", strings.Repeat(" ", gap)
	var head table.Row
	var configs []table.ColumnConfig
	for i, c := range g.columns {
		head = append(head, c.name)
		if c.right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(configs)
	for _, r := range g.rows {
		row := make(table.Row, len(r))
		for i, c := range r {
			row[i] = p.paint(colours[c.mood], c.text)
		}
		t.AppendRow(row)
	}
	for l := range strings.SplitSeq(t.Render(), "\n") {
		p.line("%s", strings.TrimRight(l, " "))
	}
}

// wrap breaks s between words into lines of at most width columns, which a
// longer word exceeds. Below forty columns nothing is broken.
func wrap(s string, width int) []string {
	if width < 40 {
		return []string{s}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case text.StringWidth(line)+1+text.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

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

// leastRoom is the width below which a cell is not broken into lines.
const leastRoom = 16

// grid writes g in as many parts as the width asks for.
func (p *printer) grid(g grid) {
	sizes := widths(g)
	room := p.room(g, sizes)
	for i, columns := range parts(g, sizes, p.Width, room) {
		if i > 0 {
			p.line("")
		}
		p.part(g.only(columns), room)
	}
}

// room returns the width that is left beside the columns that name the row; 0 is
// no limit.
func (p *printer) room(g grid, sizes []int) int {
	if p.Width == 0 {
		return 0
	}
	return max(leastRoom, p.Width-naming(g, sizes)-gap)
}

// naming returns the width of the columns of g that name the row.
func naming(g grid, sizes []int) int {
	names := -gap
	for _, size := range sizes[:g.names] {
		names += size + gap
	}
	return names
}

// parts divides the columns of g so that each part, which begins with those that
// name the row, is at most width wide, unless they and room are wider.
func parts(g grid, sizes []int, width, room int) [][]int {
	names := naming(g, sizes)
	part, used := g.naming(), names
	var all [][]int
	for i := g.names; i < len(sizes); i++ {
		size := sizes[i]
		if width > 0 {
			size = min(size, room)
		}
		if width > 0 && used+gap+size > width && len(part) > g.names {
			all = append(all, part)
			part, used = g.naming(), names
		}
		part = append(part, i)
		used += gap + size
	}
	return append(all, part)
}

func widths(g grid) []int {
	sizes := make([]int, len(g.columns))
	for i, c := range g.columns {
		sizes[i] = text.StringWidth(printable(c.name))
		for _, r := range g.rows {
			sizes[i] = max(sizes[i], text.StringWidth(printable(r[i].text)))
		}
	}
	return sizes
}

// part writes g without lines between cells; longer texts than room are broken
// into lines.
func (p *printer) part(g grid, room int) {
	t := table.NewWriter()
	t.SetStyle(table.StyleDefault)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", strings.Repeat(" ", gap)
	var head table.Row
	var configs []table.ColumnConfig
	for i, c := range g.columns {
		head = append(head, printable(c.name))
		configs = append(configs, config(i, c, i >= g.names, room))
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

// config says how column i is laid out, in lines no longer than room where it
// may be broken.
func config(i int, c column, breaks bool, room int) table.ColumnConfig {
	cfg := table.ColumnConfig{Number: i + 1}
	if c.right {
		cfg.Align, cfg.AlignHeader = text.AlignRight, text.AlignRight
	}
	if breaks && room > 0 {
		cfg.WidthMax, cfg.WidthMaxEnforcer = room, text.WrapSoft
	}
	return cfg
}

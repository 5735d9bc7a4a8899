package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/internal/fold"
)

const (
	gap       = 2  // columns of the terminal between those of a table
	leastRoom = 16 // width below which a cell is not broken into lines
)

// colourCodes are the ANSI codes of marks.
var colourCodes = map[mark]string{good: "32", bad: "31;1", doubt: "33", faint: "2"}

// Options describe where the text is shown.
type Options struct {
	Color bool // mark what matters with ANSI colours
	Width int  // of the terminal in columns; 0 is no limit
}

// Terminal returns the options that fit f: the width of the terminal, in colour
// unless NO_COLOR is set; neither where f is no terminal.
func Terminal(f *os.File) Options {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Options{}
	}
	return Options{Color: os.Getenv("NO_COLOR") == "", Width: int(size.Col)}
}

// Print writes run as tables for people. A table that is too wide for the
// terminal continues below itself. Control characters come out as replacement
// characters. The error is w's.
func Print(w io.Writer, run result.Run, o Options) error {
	run = printable(run)
	p := printer{Options: o}
	for _, f := range facts(run) {
		p.text(fmt.Sprintf("%-9s ", f.Name), f.Text)
	}
	all := sections(run)
	for _, s := range all {
		p.line("\n%s", p.paint("1", s.Title))
		p.text("", s.About)
		for _, t := range s.Tables {
			p.line("")
			if t.Title != "" {
				p.line("%s", t.Title)
			}
			p.table(t)
		}
		for _, n := range s.Notes {
			p.text("  ", n)
		}
	}
	if len(all) == 0 {
		p.line("\nnothing was measured")
	}
	p.list("Limits of these figures", run.Limits)
	_, err := w.Write(p.out.Bytes())
	return err
}

// A printer collects the text, so that a terminal gets it in one piece.
type printer struct {
	Options
	out bytes.Buffer
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

// list writes sentences under a title, if there are any.
func (p *printer) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("\n%s", p.paint("1", title))
	for _, i := range items {
		p.text("- ", i)
	}
}

// text writes s in lines that fit; later lines are indented as deep as label is.
func (p *printer) text(label, s string) {
	for i, l := range fold.Words(s, p.Width-len(label), "") {
		if i > 0 {
			label = strings.Repeat(" ", len(label))
		}
		p.line("%s", strings.TrimRight(label+l, " "))
	}
}

func (p *printer) paint(code, s string) string {
	if !p.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// table writes t in as many parts as the width asks for. Each begins with the
// columns that name the row.
func (p *printer) table(t table) {
	widths := make([]int, len(t.Headings))
	for i, h := range t.Headings {
		widths[i] = text.StringWidth(h.Name)
		for _, r := range t.Rows {
			widths[i] = max(widths[i], text.StringWidth(r[i].Text))
		}
	}
	names := -gap // the width of the columns that name the row
	var naming []int
	for i := range t.names {
		naming, names = append(naming, i), names+widths[i]+gap
	}
	room := max(leastRoom, p.Width-names-gap) // what is left beside them
	part, used := naming, names
	for i := t.names; i < len(widths); i++ {
		width := gap + widths[i]
		if p.Width > 0 {
			width = gap + min(widths[i], room)
		}
		if p.Width > 0 && used+width > p.Width && len(part) > t.names {
			p.part(t.only(part), room)
			p.line("")
			part, used = naming, names
		}
		part, used = append(slices.Clip(part), i), used+width
	}
	p.part(t.only(part), room)
}

// part writes t without lines between cells; texts longer than room are broken
// into lines, except those that name the row.
func (p *printer) part(t table, room int) {
	w := t.writer(func(c cell) string { return p.paint(colourCodes[c.Mark], c.Text) })
	w.SetStyle(pretty.StyleDefault)
	w.Style().Options = pretty.OptionsNoBordersAndSeparators
	w.Style().Format.Header = text.FormatDefault
	w.Style().Box.PaddingLeft, w.Style().Box.PaddingRight = "", strings.Repeat(" ", gap)
	configs := t.alignment()
	for i := t.names; i < len(configs) && p.Width > 0; i++ {
		configs[i].WidthMax, configs[i].WidthMaxEnforcer = room, text.WrapSoft
	}
	w.SetColumnConfigs(configs)
	for l := range strings.SplitSeq(w.Render(), "\n") {
		p.line("%s", strings.TrimRight(l, " "))
	}
}

// writer returns what renders t, with cells as write writes them.
func (t table) writer(write func(cell) string) pretty.Writer {
	w := pretty.NewWriter()
	var head pretty.Row
	for _, h := range t.Headings {
		head = append(head, write(cell{Text: h.Name}))
	}
	w.AppendHeader(head)
	for _, r := range t.Rows {
		var row pretty.Row
		for _, c := range r {
			row = append(row, write(c))
		}
		w.AppendRow(row)
	}
	w.SetColumnConfigs(t.alignment())
	return w
}

func (t table) alignment() []pretty.ColumnConfig {
	all := make([]pretty.ColumnConfig, len(t.Headings))
	for i, h := range t.Headings {
		all[i].Number = i + 1
		if h.Right {
			all[i].Align, all[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	return all
}

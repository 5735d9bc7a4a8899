package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/shunt-lb/shunt/internal/fold"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/result"
)

// Options say where text is going to be read.
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
	p := printer{Options: o}
	for _, f := range facts(run) {
		p.text(fmt.Sprintf("%-9s ", f.name), f.text)
	}
	all := sections(run)
	for _, s := range all {
		p.section(s)
	}
	if len(all) == 0 {
		p.line("\nnothing was measured")
	}
	p.heading("What not to conclude", run.Limits)
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

func (p *printer) section(s section) {
	p.line("\n%s", p.paint("1", s.title))
	p.text("", s.about)
	for _, g := range s.tables {
		p.line("")
		if g.title != "" {
			p.line("%s", printable(g.title))
		}
		p.grid(g)
	}
	for _, n := range s.notes {
		p.text("  ", n)
	}
}

// heading writes a list of sentences, if there are any.
func (p *printer) heading(title string, items []string) {
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
	indent := strings.Repeat(" ", len(label))
	for i, l := range fold.Words(printable(s), p.Width-len(label), "") {
		if i > 0 {
			label = indent
		}
		p.line("%s", strings.TrimRight(label+l, " "))
	}
}

// paint makes s fit for a terminal, in colour where that is wanted.
func (p *printer) paint(code, s string) string {
	s = printable(s)
	if !p.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

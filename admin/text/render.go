package text

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/internal/fold"

	"github.com/shunt-lb/shunt/director"
)

// Options describe where a status is shown, and how much of it.
type Options struct {
	// Color marks states with ANSI colours.
	Color bool
	// Width is that of the terminal in columns; 0 is no limit.
	Width int
	// Now is what ages count from; zero is the time of the call.
	Now time.Time
	// Host names the machine of the director; "" is this one.
	Host string
	// Filter selects services and real servers.
	Filter Filter
	// All shows all problems and the whole table however long they are.
	All bool
}

// enough is how many problems, and how many rows of the table, are shown of many.
const enough = 40

// Render writes s for people: a summary in a line, what is wrong with it, the worst
// first, what is in force, and a table of services with their real servers, of more
// than forty rows only those with problems. A table with IPv4 addresses fits into
// 80 columns, one with IPv6 addresses into 120. Control characters come out as
// replacement characters. The error is w's.
func Render(w io.Writer, s director.Status, o Options) error {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Host == "" {
		o.Host = Host()
	}
	r := renderer{Options: o, whole: whole(s)}
	selected := o.Filter.Of(s)
	problems := slices.DeleteFunc(Problems(s, o.Now), func(p Problem) bool { return !o.Filter.concerns(p, selected) })
	r.summary(Summarize(s))
	r.problems(problems)
	if o.Filter == (Filter{}) {
		r.header(s)
	}
	r.table(selected.Services, problems)
	_, err := w.Write(r.out.Bytes())
	return err
}

// Host names this machine, so that several can be told apart.
func Host() string {
	name, err := os.Hostname()
	if err != nil {
		return "an unnamed host"
	}
	return name
}

// A renderer collects the text, so that a terminal gets it in one piece.
type renderer struct {
	Options
	out   bytes.Buffer
	whole map[string]director.ServiceStatus
}

type colour string

const (
	green  colour = "32"
	yellow colour = "33"
	red    colour = "31;1"
	bold   colour = "1"
	faint  colour = "2"
	plain  colour = ""
)

// paint makes s fit for a terminal, in colour where that is wanted.
func (r *renderer) paint(c colour, s string) string {
	s = Printable(s)
	if !r.Color || s == "" || c == plain {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

func (r *renderer) line(format string, args ...any) {
	fmt.Fprintf(&r.out, format+"\n", args...)
}

// item writes one line of the header, label and text in two columns.
func (r *renderer) item(label, text string) {
	if text == "" {
		text = "-"
	}
	r.line("%s %s", r.paint(bold, fmt.Sprintf("%-10s", label)), r.paint(plain, text))
}

// detail writes a text of any length with an indent, in lines that fit.
func (r *renderer) detail(indent string, c colour, text string) {
	for _, l := range fold.Words(Printable(text), r.Width-len(indent), "  ") {
		r.line("%s%s", indent, r.paint(c, l))
	}
}

// summary writes the first line, in the colour of what it says.
func (r *renderer) summary(s Summary) {
	c := green
	switch {
	case s.Unready != "" || s.Well < s.Services:
		c = red
	case s.Up < s.Servers:
		c = yellow
	}
	r.detail("", c, s.Line(r.Host, r.Now))
}

// problems writes them, each with its level, and how many more there are.
func (r *renderer) problems(all []Problem) {
	if len(all) == 0 {
		return
	}
	r.line("\n%s", r.paint(bold, "PROBLEMS"))
	shown := all
	if !r.All && len(all) > enough {
		shown = all[:enough]
	}
	for _, p := range shown {
		r.problem(p)
	}
	if n := len(all) - len(shown); n > 0 {
		r.detail("  ", plain, fmt.Sprintf("and %d more; --all shows them, --service, --real and --down choose", n))
	}
	if slices.ContainsFunc(shown, func(p Problem) bool { return p.Service != "" && p.Level > Note }) {
		r.detail("  ", faint, "`shunt explain REAL`, or a service, says why, and what happens next")
	}
}

func (r *renderer) problem(p Problem) {
	const column = 12
	word := p.Level.String()
	label := "  " + r.paint(colours[p.Level], word) + strings.Repeat(" ", column-2-len(word))
	for _, l := range fold.Words(Printable(p.Subject+": "+p.Text), r.Width-column, "") {
		r.line("%s%s", label, l)
		label = strings.Repeat(" ", column)
	}
	for _, d := range p.Details {
		r.detail(label+"  ", plain, d)
	}
}

var colours = [...]colour{plain, yellow, red}

// header writes what is in force.
func (r *renderer) header(s director.Status) {
	r.line("")
	forwards := s.Dataplane.Name
	if s.Dataplane.Reason != "" {
		forwards += " (" + s.Dataplane.Reason + ")"
	}
	if n := s.Dataplane.Repairs; n > 0 {
		forwards += ", repaired " + Times(n)
	}
	loaded := r.moment(s.Config.Loaded)
	if n := s.Config.Reloads; n > 0 {
		loaded += fmt.Sprintf("; reloaded %s, refused %s", Times(n), Times(s.Config.ReloadFailures))
	}
	r.item("dataplane", forwards)
	r.item("config", s.Config.Path)
	r.item("loaded", loaded)
	r.item("started", r.moment(s.Started))
	label := "bounds"
	for _, b := range Bounds(s.Dataplane.Load) {
		r.item(label, b)
		label = ""
	}
}

func (r *renderer) moment(t time.Time) string {
	if t.IsZero() {
		return "not yet"
	}
	return fmt.Sprintf("%s, %s ago", Clock(t), Ago(r.Now, t))
}

// failing returns a clause about servers of sv that are in use although their
// checks fail, and why; "" for none.
func failing(sv director.ServiceStatus) string {
	kept := 0
	for _, rs := range sv.Servers {
		kept += one(rs.State == director.Kept)
	}
	switch {
	case kept == 0:
		return ""
	case sv.FailOpen:
		return fmt.Sprintf("failopen=yes: too few are well, %d of %d are in use although their checks fail", kept, len(sv.Servers))
	}
	return fmt.Sprintf("maxdown takes no more of them out: %d of %d are in use although their checks fail", kept, len(sv.Servers))
}

// first returns the first of many lines, and how many more there are.
func first(lines []string) []string {
	const most = 8
	if len(lines) <= most {
		return lines
	}
	return append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more", len(lines)-most))
}

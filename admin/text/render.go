package text

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/internal/fold"

	"github.com/shunt-lb/shunt/director"
)

// Options describe where a status is shown.
type Options struct {
	// Color marks states with ANSI colours.
	Color bool
	// Width is that of the terminal in columns; 0 is no limit.
	Width int
	// Now is what ages count from; zero is the time of the call.
	Now time.Time
}

// Render writes s for people: what is in force, what is wrong with it, and a table
// of all services with their real servers. Further remarks about a row stand below
// it. A table with IPv4 addresses fits into 80 columns, one with IPv6 addresses
// into 120. Control characters come out as replacement characters. The error is
// w's.
func Render(w io.Writer, s director.Status, o Options) error {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r := renderer{Options: o}
	r.header(s)
	r.problems(s)
	r.table(s.Services)
	_, err := w.Write(r.out.Bytes())
	return err
}

// A renderer collects the text, so that a terminal gets it in one piece.
type renderer struct {
	Options
	out bytes.Buffer
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

func (r *renderer) header(s director.Status) {
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

// problems writes the problems that an operator has to act on, the worst first.
func (r *renderer) problems(s director.Status) {
	if e := s.Config.ReloadError; e != "" {
		r.alarm(red, fmt.Sprintf("RELOAD REFUSED %s ago; the configuration from before stays in force", Ago(r.Now, s.Config.ReloadTried)),
			strings.Split(e, "\n")...)
	}
	if e := s.Dataplane.Error; e != "" {
		r.alarm(red, "THE DATAPLANE CANNOT BE READ; connections show as 0", e)
	}
	for _, sv := range s.Services {
		if sv.Error != "" {
			r.alarm(red, "NOT SERVED AS CONFIGURED: "+sv.Service, sv.Error)
		}
		if text := Failing(sv); text != "" {
			r.alarm(red, "SERVERS WITH FAILING CHECKS SERVE: "+sv.Service, text)
		}
		if all := Warnings(sv); len(all) > 0 {
			r.alarm(yellow, "WARNINGS, which take nothing out of use: "+sv.Service, First(all)...)
		}
		if len(sv.Changed) > 0 {
			r.alarm(red, "CHANGED BY SOMEBODY ELSE, put right within seconds: "+sv.Service, First(sv.Changed)...)
		}
	}
	if f := Full(s.Dataplane.Load); len(f) > 0 {
		r.alarm(yellow, "FULL", f...)
	}
	if err := Unready(s); err != nil {
		r.alarm(yellow, "NOT READY", err.Error())
	}
	if n := len(s.Config.Waiting); n > 0 {
		r.alarm(yellow, fmt.Sprintf("WAITING for %d that the configuration names and is not there; shunt looks again", n), s.Config.Waiting...)
	}
	if n := len(s.Config.Warnings); n > 0 {
		r.alarm(yellow, fmt.Sprintf("WARNINGS about the configuration: %d", n), s.Config.Warnings...)
	}
}

// Failing returns a clause about servers of sv that are in use although their
// checks fail, and why; "" for none.
func Failing(sv director.ServiceStatus) string {
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

// Warnings returns those about sv and its real servers.
func Warnings(sv director.ServiceStatus) []string {
	all := slices.Clone(sv.Warnings)
	for _, rs := range sv.Servers {
		for _, text := range rs.Warnings {
			all = append(all, rs.Server+": "+text)
		}
	}
	return all
}

// First returns the first of many lines, and how many more there are.
func First(lines []string) []string {
	const most = 8
	if len(lines) <= most {
		return lines
	}
	return append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more", len(lines)-most))
}

func (r *renderer) alarm(c colour, title string, details ...string) {
	r.line("\n%s", r.paint(c, title))
	for _, d := range details {
		r.detail("  ", plain, d)
	}
}

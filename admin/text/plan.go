package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/shunt-lb/shunt/config/changes"
	"github.com/shunt-lb/shunt/director"
)

// planned is how many sections a plan shows, without Options.All.
const planned = 40

// RenderPlan writes what a reload changes, or would change with dry, for people. Control
// characters come out as replacement characters. The error is w's.
func RenderPlan(w io.Writer, p director.Plan, dry bool, o Options) error {
	r := renderer{Options: o}
	shown := p.Sections
	if !o.All {
		shown = shown[:min(len(shown), planned)]
	}
	for _, s := range shown {
		r.section(s)
	}
	if n := len(p.Sections) - len(shown); n > 0 {
		r.detail("", plain, fmt.Sprintf("and %d more; --json has them all", n))
	}
	for _, l := range p.Warnings {
		r.detail("", yellow, l)
	}
	for _, l := range p.Waiting {
		r.detail("", yellow, l)
	}
	added, other, removed := p.Count()
	verb := "reloaded"
	if dry {
		verb = "a reload would change this, and has not been made"
	}
	r.detail("", bold, fmt.Sprintf("%s: virtual services: %d added, %d changed, %d removed, %d kept; warnings: %d", verb, added, other, removed, p.Kept, len(p.Warnings)))
	_, err := w.Write(r.out.Bytes())
	return err
}

var changeColours = map[changes.What]colour{changes.Added: green, changes.Changed: yellow, changes.Removed: red}

func (r *renderer) section(s changes.Section) {
	line := s.Name + ": " + string(s.What)
	switch {
	case s.What != changes.Changed:
		line += fmt.Sprintf(", real servers: %d", s.Reals)
	case s.Name == changes.Global:
		line += ", also in services without a value of their own"
	}
	r.detail("", changeColours[s.What], line)
	for _, v := range s.Values {
		switch {
		case v.Before == "":
			r.detail("    ", plain, "+ "+v.Directive+"  "+v.After)
		case v.After == "":
			r.detail("    ", plain, "- "+v.Directive+"  "+v.Before)
		case v.Before == v.After:
			r.detail("    ", plain, "~ "+v.Directive+"  another value, which is not shown")
		default:
			before, after := apart(v.Before, v.After)
			r.detail("    ", plain, "~ "+v.Directive+"  "+before+" -> "+after)
		}
	}
}

// apart leaves out what two real servers have in common: the check, or all before it.
func apart(before, after string) (string, string) {
	b, checkBefore, _ := strings.Cut(before, "; ")
	a, checkAfter, _ := strings.Cut(after, "; ")
	switch {
	case checkBefore == "" || checkAfter == "":
		return before, after
	case checkBefore == checkAfter:
		return b, a
	case a == b:
		return checkBefore, checkAfter
	}
	return before, after
}

package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A collector gathers what is wrong with one file, in bounded memory.
type collector struct {
	file       string
	dataplanes []string // that there are, nil for any
	errors     class
	refused    class // what is accepted although ldirectord refuses it
	warnings   class
	waiting    class
	missing    []Pos              // where something is waited for
	said       map[string]int     // the line that a kind of warning was given for last
	lists      map[string]listing // files of clients, by path
	// listsBefore are those of the configuration in force, which again takes as
	// they are.
	listsBefore map[string]listing
	again       bool
	guesses     map[guess]string
	patterns    map[string]*Pattern    // by their source
	roots       map[string]*Roots      // by their file
	pairs       map[string]*ClientPair // by their files
	steps       int                    // of their programs
	written     int                    // clients that stand in the file itself
	copied      int                    // clients of files that are lists with others
}

// fail reports an error at the offset at of s.
func (c *collector) fail(s *stmt, at int, text, hint string) {
	c.errors.add(c.problem(s, at, text, hint))
}

// wait reports what is not to be had now, and what that means.
func (c *collector) wait(s *stmt, at int, text, hint string) {
	p := c.problem(s, at, text, hint)
	c.waiting.add(p)
	c.missing = append(c.missing, p.Pos)
}

// warn reports what ldirectord accepts as well.
func (c *collector) warn(s *stmt, at int, text, hint string) {
	c.warnings.add(c.problem(s, at, text, hint))
}

// lenient reports what is accepted although ldirectord refuses it.
func (c *collector) lenient(s *stmt, at int, text, hint string) {
	c.refused.add(c.problem(s, at, text, hint))
}

func (c *collector) problem(s *stmt, at int, text, hint string) Problem {
	return Problem{Pos: c.pos(s, at), Text: text, Hint: hint, Line: masked(s)}
}

// first reports whether kind is met on s for the first time, for warnings
// that would otherwise come once for each address of a range.
func (c *collector) first(s *stmt, kind string) bool {
	if line, ok := c.said[kind]; ok && line == s.line {
		return false
	}
	if c.said == nil {
		c.said = map[string]int{}
	}
	c.said[kind] = s.line
	return true
}

func (c *collector) pos(s *stmt, at int) Pos {
	return Pos{File: c.file, Line: s.line, Col: s.column(at)}
}

// masked is the line of s without the password that may stand in it.
func masked(s *stmt) string {
	switch d := byName[s.key]; {
	case d == nil || !d.secret:
		return s.src
	case d.mask != nil:
		return s.text[:s.valAt] + d.mask(s.val)
	}
	head, _, _ := strings.Cut(s.src, "=")
	return head + "=***"
}

// problems returns what was found, and whether there are errors. With strict,
// what ldirectord refuses is an error.
func (c *collector) problems(strict bool) (all Problems, bad bool) {
	rest := c.refused.problems(Warning)
	if strict {
		rest = c.refused.problems(Error)
		for i := range rest {
			if !rest[i].untold() {
				rest[i].Text += ": refused by ldirectord, and so under strict"
			}
		}
	}
	all = Join(c.file, c.errors.problems(Error), rest, c.warnings.problems(Warning), c.waiting.problems(Waiting))
	return all, slices.ContainsFunc(all, func(p Problem) bool { return p.Severity == Error })
}

const (
	// maxProblems is how many problems of a file are reported, equal ones
	// being one.
	maxProblems = 100
	// maxReport is how many bytes they take, however they are written. What
	// says how many were left out comes on top.
	maxReport = 60 << 10
)

// A class holds those problems of one severity that come first in the file.
type class struct {
	held map[wording]*finding
	last *finding // of held, that which is farthest down; nil while there is room
	seen int      // how many were ever held
	rest int      // how many are not held
}

// A wording is what makes problems equal.
type wording struct{ file, text, hint string }

// A finding is a problem with its turn among those that were found.
type finding struct {
	Problem
	turn int
	line int // where it was met last
}

// add takes one more problem in. What is too long in it is cut.
func (c *class) add(p Problem) {
	p.Text, p.Hint, p.Line = clip(p.Text), clip(p.Hint), clipLine(p.Line)
	key := wording{p.Pos.File, p.Text, p.Hint}
	switch f := c.held[key]; {
	case p.untold():
		c.rest += p.Count
	case f != nil:
		if f.line != p.Pos.Line {
			f.again(p)
		}
		f.line = p.Pos.Line
	case c.crowded() && p.Pos.compare(c.last.Pos) >= 0:
		c.rest += p.times()
	default:
		c.hold(key, p)
	}
}

// crowded reports whether only what comes before others is held.
func (c *class) crowded() bool { return len(c.held) >= maxProblems }

func (c *class) hold(key wording, p Problem) {
	if c.held == nil {
		c.held = map[wording]*finding{}
	}
	if c.crowded() {
		c.rest += c.last.times()
		delete(c.held, wording{c.last.Pos.File, c.last.Text, c.last.Hint})
	}
	c.seen++
	c.held[key] = &finding{Problem: p, turn: c.seen, line: p.Pos.Line}
	if !c.crowded() {
		return
	}
	c.last = nil
	for _, f := range c.held {
		if c.last == nil || f.Pos.compare(c.last.Pos) > 0 {
			c.last = f
		}
	}
}

// problems returns what c holds, and how much more there was.
func (c *class) problems(s Severity) Problems {
	found := slices.SortedFunc(maps.Values(c.held), func(a, b *finding) int { return a.turn - b.turn })
	var ps Problems
	for _, f := range found {
		f.Severity = s
		ps = append(ps, f.Problem)
	}
	if c.rest > 0 {
		ps = append(ps, Problem{Severity: s, Count: c.rest})
	}
	return ps
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Join returns the problems of lists as those of one file: equal ones as one, in the
// order of the file's lines, those of other files behind. What there are too
// many of, warnings first, is counted in one problem without a position.
func Join(file string, lists ...Problems) Problems {
	var classes [len(byRoom)]class
	for _, ps := range lists {
		for _, p := range ps {
			classes[p.Severity].add(p)
		}
	}
	var shown Problems
	room := report{file: file, bytes: maxReport, problems: maxProblems}
	for _, s := range byRoom {
		shown = append(shown, room.take(classes[s].problems(s))...)
	}
	slices.SortStableFunc(shown, room.order)
	return append(shown, room.left...)
}

// byRoom are the severities in the order in which they get room.
var byRoom = [...]Severity{Error, Waiting, Warning}

// A report is the room that is left for problems.
type report struct {
	file            string
	bytes, problems int
	left            Problems // what tells how many there was no room for
}

// take returns those of ps that there is room for, in their order.
func (r *report) take(ps Problems) (shown Problems) {
	slices.SortStableFunc(ps, r.order)
	left := 0
	for _, p := range ps {
		size := p.size()
		if p.untold() || r.problems == 0 || size > r.bytes {
			left += p.times()
			continue
		}
		r.problems, r.bytes = r.problems-1, r.bytes-size
		shown = append(shown, p)
	}
	if left > 0 {
		r.left = append(r.left, Problem{
			Severity: ps[0].Severity, Pos: Pos{File: r.file}, Count: left,
			Text: fmt.Sprintf("%s not shown", plural(left, "more "+ps[0].Severity.String())),
		})
	}
	return shown
}

// order compares problems by line, those of the file itself first.
func (r *report) order(a, b Problem) int {
	foreign := func(p Problem) string {
		if p.Pos.File == r.file {
			return ""
		}
		return p.Pos.File
	}
	return cmp.Or(cmp.Compare(foreign(a), foreign(b)), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
}

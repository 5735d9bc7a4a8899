package config

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/problem"
	"github.com/shunt-lb/shunt/config/internal/suggest"
)

type (
	// Pos is a place in a configuration file.
	Pos = problem.Pos
	// Problem is one thing wrong with a configuration, on one line or on many.
	Problem = problem.Problem
	// Problems is what Load returns as its error: what is wrong with a file, in the
	// order of its lines. There are at most a hundred, beside those that say how
	// many there was no room for.
	Problems = problem.Problems
	// Severity tells errors from warnings.
	Severity = problem.Severity
)

// A configuration with an Error is refused. One with Warnings is not, nor is
// one that is Waiting for something which is not part of its text and was not
// to be had when it was read: an address of a name, a file.
const (
	Warning = problem.Warning
	Error   = problem.Error
	Waiting = problem.Waiting
)

// Join returns the problems of lists as those of one file: equal ones as one, in the
// order of the file's lines, those of other files behind. What there are too
// many of, warnings first, is counted in one problem without a position.
func Join(file string, lists ...Problems) Problems { return problem.Join(file, lists...) }

// Report writes problems for people, as a compiler does: position, severity
// and text, the line, a caret below the place, the hint. The error is that of
// w.
func Report(w io.Writer, problems Problems) error { return problem.Report(w, problems) }

// A collector gathers what is wrong with one file, in bounded memory.
type collector struct {
	file       string
	dataplanes []string // that there are, nil for any
	errors     problem.List
	refused    problem.List // what is accepted although ldirectord refuses it
	warnings   problem.List
	waiting    problem.List
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
	c.errors.Add(c.problem(s, at, text, hint))
}

// wait reports what is not to be had now, and what that means.
func (c *collector) wait(s *stmt, at int, text, hint string) {
	p := c.problem(s, at, text, hint)
	c.waiting.Add(p)
	c.missing = append(c.missing, p.Pos)
}

// warn reports what ldirectord accepts as well.
func (c *collector) warn(s *stmt, at int, text, hint string) {
	c.warnings.Add(c.problem(s, at, text, hint))
}

// lenient reports what is accepted although ldirectord refuses it.
func (c *collector) lenient(s *stmt, at int, text, hint string) {
	c.refused.Add(c.problem(s, at, text, hint))
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

// Masked returns a line of a file without the passwords that may stand in it.
func Masked(line string) string {
	s := newStmt(0, line)
	return masked(&s)
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
	rest := c.refused.Problems(Warning, "")
	if strict {
		rest = c.refused.Problems(Error, ": refused by ldirectord, and so under strict")
	}
	all = Join(c.file, c.errors.Problems(Error, ""), rest, c.warnings.Problems(Warning, ""), c.waiting.Problems(Waiting, ""))
	return all, slices.ContainsFunc(all, func(p Problem) bool { return p.Severity == Error })
}

// misplaced reports a directive that cannot stand where it does.
func (c *collector) misplaced(s *stmt, where scope) {
	name := s.key
	switch d := byName[name]; {
	case d != nil && where == inSection:
		c.fail(s, s.keyAt, fmt.Sprintf("`%s` is a global directive", name), "move it out of the section, to the first column")
	case d != nil:
		c.fail(s, s.keyAt, fmt.Sprintf("`%s` belongs in a section", name), "write it below a `virtual` line, indented with 4 blanks or a tab")
	default:
		c.fail(s, s.keyAt, fmt.Sprintf("unknown directive `%s`", name), c.meant(name, where))
	}
}

// meant guesses as the function does, for as many names as are reported: who
// guesses a million times takes minutes.
func (c *collector) meant(name string, where scope) string {
	key := guess{name, where}
	hint, known := c.guesses[key]
	if known || c.errors.Full() {
		return hint
	}
	if c.guesses == nil {
		c.guesses = map[guess]string{}
	}
	hint = meant(name, where)
	c.guesses[key] = hint
	return hint
}

// A guess is what has to be guessed from: an unknown name, and where it stands.
type guess struct {
	name  string
	where scope
}

// meant guesses what the author of an unknown directive had in mind.
func meant(name string, where scope) string {
	lower := strings.ToLower(name)
	if d := byName[lower]; d != nil {
		return fmt.Sprintf("names are lower case: `%s`", lower)
	}
	if hint, ok := suggest.Directive(lower); ok {
		return hint
	}
	var here, elsewhere []string
	for i := range table {
		if table[i].scope&where != 0 {
			here = append(here, table[i].name)
		} else {
			elsewhere = append(elsewhere, table[i].name)
		}
	}
	for _, names := range [][]string{here, elsewhere} {
		if n := suggest.Nearest(lower, names); n != "" {
			return fmt.Sprintf("did you mean `%s`?", n)
		}
	}
	return ""
}

package config

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/problem"
	"github.com/shunt-lb/shunt/config/internal/suggest"
	"github.com/shunt-lb/shunt/internal/similar"
)

type (
	// Pos is a place in a configuration file.
	Pos = problem.Pos
	// Problem is one thing wrong with a configuration, on one line or on many.
	Problem = problem.Problem
	// Problems are the problems of a file in the order of its lines, and the error
	// of Load. There are at most a hundred, and those that count the rest.
	Problems = problem.Problems
	// Severity tells errors from warnings.
	Severity = problem.Severity
)

// A configuration with an Error is refused. One with Warnings is not, nor is one
// that is Waiting for an address or a file that was not available when it was
// read.
const (
	Warning = problem.Warning
	Error   = problem.Error
	Waiting = problem.Waiting
)

// Join returns the problems of lists as those of one file: equal ones as one, in the
// order of the file's lines, those of other files behind. If there are too many, the
// rest, warnings first, is counted in a problem without a position.
func Join(file string, lists ...Problems) Problems { return problem.Join(file, lists...) }

// Report writes problems for people, as a compiler does: position, severity
// and text, the line, a caret below the place, the hint. The error is that of
// w.
func Report(w io.Writer, problems Problems) error { return problem.Report(w, problems) }

// A collector collects the problems of a file and of those that it includes, in
// bounded memory.
type collector struct {
	source     *Source
	dataplanes []string // those that exist, nil for any
	errors     problem.List
	refused    problem.List // accepted although ldirectord refuses it
	warnings   problem.List
	waiting    problem.List
	missing    []Pos              // the lines of waiting
	said       map[string]Pos     // the line of the latest warning of a kind
	lists      map[string]listing // files of clients, by path
	// listsBefore are the lists of the configuration in force. With again they
	// are not read anew.
	listsBefore map[string]listing
	again       bool
	guesses     map[guess]string
	patterns    map[string]*Pattern    // by their source
	roots       map[string]*Roots      // by their file
	pairs       map[string]*ClientPair // by their files
	steps       int                    // of all patterns together
	written     int                    // clients in the file itself
	copied      int                    // clients of files that share a list with others
}

// fail reports an error at the offset at of s.
func (c *collector) fail(s *stmt, at int, text, hint string) {
	c.errors.Add(c.problem(s, at, text, hint))
}

// wait reports a thing that is not available now, and the effect of that.
func (c *collector) wait(s *stmt, at int, text, hint string) {
	p := c.problem(s, at, text, hint)
	c.waiting.Add(p)
	c.missing = append(c.missing, p.Pos)
}

// warn warns of a line that ldirectord accepts as well.
func (c *collector) warn(s *stmt, at int, text, hint string) {
	c.warnings.Add(c.problem(s, at, text, hint))
}

// lenient reports a line that is accepted although ldirectord refuses it.
func (c *collector) lenient(s *stmt, at int, text, hint string) {
	c.refused.Add(c.problem(s, at, text, hint))
}

func (c *collector) problem(s *stmt, at int, text, hint string) Problem {
	return Problem{Pos: c.pos(s, at), Text: text, Hint: hint, Line: masked(s)}
}

// first reports whether kind occurs on s for the first time. It is for warnings
// that would otherwise come once for each address of a range.
func (c *collector) first(s *stmt, kind string) bool {
	line := Pos{File: s.file, Line: s.line}
	if c.said[kind] == line {
		return false
	}
	if c.said == nil {
		c.said = map[string]Pos{}
	}
	c.said[kind] = line
	return true
}

func (*collector) pos(s *stmt, at int) Pos {
	return Pos{File: s.file, Line: s.line, Col: s.column(at)}
}

// Masked returns a line of a file without the passwords that may stand in it.
func Masked(line string) string {
	s := newStmt("", 0, line)
	return masked(&s)
}

// masked returns the line of s without a password.
func masked(s *stmt) string {
	switch d := byName[s.key]; {
	case s.key == "": // no "=": what comes behind a name may be a password all the same
		words := strings.Fields(s.src)
		if len(words) > 1 && byName[words[0]] != nil && byName[words[0]].secret {
			return words[0] + " ***"
		}
		return s.src
	case d == nil || !d.secret:
		return s.src
	case d.mask != nil:
		return s.text[:s.valAt] + d.mask(s.val)
	}
	head, _, _ := strings.Cut(s.src, "=")
	return head + "=***"
}

// problems returns the problems found, and whether there are errors. With strict,
// a line that ldirectord refuses is an error.
func (c *collector) problems(strict bool) (all Problems, bad bool) {
	rest := c.refused.Problems(Warning, "")
	if strict {
		rest = c.refused.Problems(Error, ": refused by ldirectord, and so under strict")
	}
	all = Join(c.source.Name, c.errors.Problems(Error, ""), rest, c.warnings.Problems(Warning, ""), c.waiting.Problems(Waiting, ""))
	return all, slices.ContainsFunc(all, func(p Problem) bool { return p.Severity == Error })
}

// misplaced reports a directive in a place where it is not allowed.
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

// meant is the function meant with a cache. It guesses only for names that are
// reported: a million guesses would take minutes.
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

// A guess is the input of a guess: an unknown name, and the place where it
// stands.
type guess struct {
	name  string
	where scope
}

// meant returns a hint for an unknown directive, "" for none.
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
		if n := similar.Word(lower, names); n != "" {
			return fmt.Sprintf("did you mean `%s`?", n)
		}
	}
	return ""
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A collector gathers everything wrong with one file.
type collector struct {
	file  string
	found []finding
	said  map[string]bool
	lists map[string]listing // files of clients, by path
	// listsBefore are those of the configuration in force, which again takes as
	// they are.
	listsBefore map[string]listing
	again       bool
	missing     []Pos // where something is waited for
}

// A finding is a Problem that knows whether ldirectord refuses the same.
type finding struct {
	Problem
	refused bool
}

// fail reports an error at the offset at of s.
func (c *collector) fail(s *stmt, at int, text, hint string) {
	c.add(s, at, text, hint).Severity = Error
}

// wait reports what is not to be had now, and what that means.
func (c *collector) wait(s *stmt, at int, text, hint string) {
	p := c.add(s, at, text, hint)
	p.Severity = Waiting
	c.missing = append(c.missing, p.Pos)
}

// warn reports what ldirectord accepts as well.
func (c *collector) warn(s *stmt, at int, text, hint string) {
	c.add(s, at, text, hint)
}

// lenient reports what is accepted although ldirectord refuses it.
func (c *collector) lenient(s *stmt, at int, text, hint string) {
	c.add(s, at, text, hint).refused = true
}

func (c *collector) add(s *stmt, at int, text, hint string) *finding {
	p := Problem{Pos: c.pos(s, at), Text: text, Hint: hint, Line: masked(s)}
	c.found = append(c.found, finding{Problem: p})
	return &c.found[len(c.found)-1]
}

// first reports whether kind is met on s for the first time, for warnings
// that would otherwise come once for each address of a range.
func (c *collector) first(s *stmt, kind string) bool {
	key := fmt.Sprint(kind, s.line)
	if c.said[key] {
		return false
	}
	if c.said == nil {
		c.said = map[string]bool{}
	}
	c.said[key] = true
	return true
}

func (c *collector) pos(s *stmt, at int) Pos {
	return Pos{File: c.file, Line: s.line, Col: s.column(at)}
}

// masked is the line of s without the password that may stand in it.
func masked(s *stmt) string {
	if d := byName[s.key]; d == nil || !d.secret {
		return s.src
	}
	head, _, _ := strings.Cut(s.src, "=")
	return head + "=***"
}

// problems returns what was found, file by file in the order of the lines. With strict,
// what ldirectord refuses is an error.
func (c *collector) problems(strict bool) (all Problems, bad bool) {
	for _, f := range c.found {
		if strict && f.refused {
			f.Severity = Error
			f.Text += ": refused by ldirectord, and so under strict"
		}
		bad = bad || f.Severity == Error
		all = append(all, f.Problem)
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(c.foreign(a), c.foreign(b)), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return all, bad
}

// foreign is the file of p if it is not that of c.
func (c *collector) foreign(p Problem) string {
	if p.Pos.File == c.file {
		return ""
	}
	return p.Pos.File
}

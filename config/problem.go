package config

import (
	"fmt"
	"strings"
)

// Severity tells errors from warnings.
type Severity uint8

// A configuration with an Error is refused. One with Warnings is not, nor is
// one that is Waiting for something which is not part of its text and was not
// to be had when it was read: an address of a name, a file.
const (
	Warning Severity = iota
	Error
	Waiting
)

var severities = [...]string{"warning", "error", "waiting"}

// String returns "warning", "error" or "waiting".
func (s Severity) String() string { return severities[s] }

// A Problem is one thing wrong with a configuration.
type Problem struct {
	Severity Severity
	Pos      Pos
	// Text says what is wrong, Hint what to do about it.
	Text, Hint string
	// Line is the offending line as it stands in the file, without its end.
	Line string
}

// String returns the problem in one line, without the offending one:
// "FILE:LINE:COL: error: TEXT (HINT)".
func (p Problem) String() string {
	s := p.Severity.String() + ": " + p.Text
	if p.Pos.Line > 0 {
		s = p.Pos.String() + ": " + s
	} else if p.Pos.File != "" {
		s = p.Pos.File + ": " + s
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// String returns FILE:LINE:COL, without the column where there is none.
func (p Pos) String() string {
	s := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Col > 0 {
		s += fmt.Sprintf(":%d", p.Col)
	}
	return s
}

// Problems is what Load returns as its error: everything wrong with a file,
// in the order of its lines.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

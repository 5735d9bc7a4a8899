// Package problem has the problems of a configuration with their places, lists of
// them in bounded memory, and their form as text and as JSON.
package problem

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity tells errors from warnings.
type Severity uint8

// A configuration with an Error is refused. One with Warnings is not, nor is one
// that is Waiting for an address or a file that was not available when it was
// read.
const (
	Warning Severity = iota
	Error
	Waiting
)

var severities = [...]string{"warning", "error", "waiting"}

// String returns "warning", "error" or "waiting".
func (s Severity) String() string { return severities[s] }

// A Pos is a place in a configuration file.
type Pos struct {
	File string
	Line int // from 1; 0: nowhere
	Col  int // from 1, counted in characters; 0: the line as a whole
}

// A Problem is one thing wrong with a configuration, on one line or on many.
type Problem struct {
	Severity Severity
	Pos      Pos
	// Text says what is wrong, Hint how to mend it.
	Text, Hint string
	// Line is the offending line as it stands in the file, without its end,
	// or as much of it as is shown.
	Line string
	// Count is how many times the problem was met: 0 is once. Pos is the first
	// place, Also are further lines, as far as they are named. A problem with a
	// Count and without a line stands for that many problems that are not
	// reported.
	Count int
	Also  [5]int
}

// untold reports whether p stands for problems that are not reported.
func (p *Problem) untold() bool { return p.Pos.Line == 0 && p.Count > 0 }

// times returns how many problems p counts for.
func (p *Problem) times() int { return max(p.Count, 1) }

// again adds the line of other, the same problem.
func (p *Problem) again(other Problem) {
	p.Count = p.times() + other.times()
	if other.Pos.compare(p.Pos) < 0 {
		p.Pos, other.Pos, p.Line = other.Pos, p.Pos, other.Line
	}
	for _, line := range append([]int{other.Pos.Line}, other.Also[:]...) {
		if free := slices.Index(p.Also[:], 0); free >= 0 && line != p.Pos.Line && !slices.Contains(p.Also[:], line) {
			p.Also[free] = line
			slices.Sort(p.Also[:free+1])
		}
	}
}

// String returns the problem in one line, without the offending one:
// "FILE:LINE:COL: error: TEXT; also on line 7 (HINT)".
func (p Problem) String() string {
	s := p.Severity.String() + ": " + p.Text + p.also()
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

// also returns the further lines as a clause, "" for none.
func (p *Problem) also() string {
	lines := p.Also[:]
	if free := slices.Index(lines, 0); free >= 0 {
		lines = lines[:free]
	}
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("; also on line")
	if more := p.Count - 1 - len(lines); len(lines) > 1 || more > 0 {
		b.WriteString("s")
	}
	for i, n := range lines {
		switch {
		case i > 0 && i == p.Count-2:
			b.WriteString(" and")
		case i > 0:
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d", n)
	}
	if more := p.Count - 1 - len(lines); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// String returns FILE:LINE:COL, without the column where there is none.
func (p Pos) String() string {
	s := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Col > 0 {
		s += fmt.Sprintf(":%d", p.Col)
	}
	return s
}

// From returns the line as a text in file names it: "line 3", "line 3 of FILE" if p
// is in another file.
func (p Pos) From(file string) string {
	if p.File == file {
		return fmt.Sprintf("line %d", p.Line)
	}
	return fmt.Sprintf("line %d of %s", p.Line, p.File)
}

// Problems are the problems of a file in the order of its lines, and the error of
// Load. There are at most a hundred, and those that count the rest.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxLogged is how many bytes of problems a log record has.
const maxLogged = 2 << 10

// LogValue returns the first problems, as many as a log record has room for.
func (ps Problems) LogValue() slog.Value {
	var b strings.Builder
	for i, p := range ps {
		line := p.String()
		if b.Len()+len(line) > maxLogged {
			errors, warnings := ps[i:].Counts()
			fmt.Fprintf(&b, "\n%s and %s more: `shunt config check` tells them", Plural(errors, "error"), Plural(warnings, "warning"))
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return slog.StringValue(b.String())
}

// Counts returns how many errors and warnings there are, reported or not.
func (ps Problems) Counts() (errors, warnings int) {
	for _, p := range ps {
		if p.Severity == Error {
			errors += p.times()
		} else {
			warnings += p.times()
		}
	}
	return errors, warnings
}

const (
	// maxText is how many bytes a text or a hint has.
	maxText = 320
	// MaxShown is how many characters of a line are shown.
	MaxShown = 160
)

// clip shortens a text that is too long in its middle, and replaces characters
// that a terminal obeys.
func clip(s string) string {
	if len(s) > maxText {
		head, tail := maxText/2, len(s)-maxText/2
		for !utf8.RuneStart(s[head]) {
			head--
		}
		for tail < len(s) && !utf8.RuneStart(s[tail]) {
			tail++
		}
		s = s[:head] + "…" + s[tail:]
	}
	return strings.Map(visible, s)
}

// clipLine returns as much of a line as is shown. It does not keep the rest
// in memory.
func clipLine(line string) string {
	if len(line) <= MaxShown {
		return line
	}
	n := 0
	for i := range line {
		if n++; n > MaxShown+1 {
			return strings.Clone(line[:i])
		}
	}
	return line
}

// Plural returns a number of things: "1 line", "2 lines".
func Plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

package problem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Report writes problems for people, as a compiler does: position, severity
// and text, the line, a caret below the place, the hint. The error is that of
// w.
func Report(w io.Writer, problems Problems) error {
	var b bytes.Buffer
	for i := range problems {
		problems[i].report(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (p *Problem) report(b *bytes.Buffer) {
	bare := *p
	bare.Hint = ""
	fmt.Fprintln(b, bare.String())
	if p.Line != "" {
		source, pad := p.source()
		fmt.Fprintf(b, "    %s\n", source)
		if p.Pos.Col > 0 && p.Pos.Col <= MaxShown {
			fmt.Fprintf(b, "    %s^\n", pad)
		}
	}
	if p.Hint != "" {
		fmt.Fprintf(b, "    hint: %s\n", p.Hint)
	}
}

// source returns the line without characters that a terminal obeys, and the
// padding up to the column.
func (p *Problem) source() (text, pad string) {
	var line, under strings.Builder
	col := 1
	for _, r := range p.Line {
		if col > MaxShown {
			line.WriteRune('…')
			break
		}
		r = visible(r)
		line.WriteRune(r)
		if col < p.Pos.Col {
			under.WriteString(blank(r))
		}
		col++
	}
	return line.String(), under.String()
}

// ForeignBlank reports whether r is a blank other than the one of ASCII, as web
// pages have them.
func ForeignBlank(r rune) bool { return r != ' ' && unicode.Is(unicode.Zs, r) }

// visible returns r, or a replacement if it cannot be printed.
func visible(r rune) rune {
	switch {
	case ForeignBlank(r):
		return '␣'
	case r != '\t' && !unicode.IsPrint(r):
		return unicode.ReplacementChar
	}
	return r
}

// blank returns a blank as wide as r.
func blank(r rune) string {
	switch {
	case r == '\t':
		return "\t"
	case unicode.Is(unicode.Mn, r):
		return ""
	case isWide(r):
		return "  "
	}
	return " "
}

// wide are the characters that take two columns, after Unicode's East Asian
// Width.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

func isWide(r rune) bool { return r >= 0x1100 && unicode.Is(wide, r) }

// problemJSON is the JSON of a Problem.
type problemJSON struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
	Source   string   `json:"source,omitempty"`
	Count    int      `json:"count,omitempty"`
	Also     []int    `json:"also,omitempty"`
}

// MarshalJSON writes the problem as a flat object: severity, file, line,
// column, text, hint, source for the offending line, and count and also for
// a problem that was met more than once.
func (p Problem) MarshalJSON() ([]byte, error) {
	j := problemJSON{Severity: p.Severity, File: p.Pos.File, Line: p.Pos.Line, Column: p.Pos.Col, Text: p.Text, Hint: p.Hint, Source: p.Line, Count: p.Count}
	for _, line := range p.Also {
		if line > 0 {
			j.Also = append(j.Also, line)
		}
	}
	return json.Marshal(j)
}

// size returns how many bytes p takes in a report, as text or as JSON, whichever
// is more.
func (p *Problem) size() int {
	var b bytes.Buffer
	p.report(&b)
	text, err := json.MarshalIndent(p, "      ", "  ")
	if err != nil {
		return b.Len()
	}
	return max(b.Len(), len(text))
}

// UnmarshalJSON reads the output of MarshalJSON.
func (p *Problem) UnmarshalJSON(text []byte) error {
	var j problemJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*p = Problem{Severity: j.Severity, Pos: Pos{File: j.File, Line: j.Line, Col: j.Column}, Text: j.Text, Hint: j.Hint, Line: j.Source, Count: j.Count}
	copy(p.Also[:], j.Also)
	return nil
}

// MarshalText returns the word that String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the output of MarshalText.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severities[:], string(text))
	if i < 0 {
		return fmt.Errorf("no severity: %q", text)
	}
	*s = Severity(i)
	return nil
}

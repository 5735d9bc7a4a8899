package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/config/internal/problem"
	"github.com/shunt-lb/shunt/config/internal/suggest"
)

// A section is a virtual line and the lines that belong to it.
type section struct {
	head stmt
	six  bool // virtual6
	body lines
}

// blocks divide the lines of a file, and of those that it includes, into global ones
// and sections. Other values than those of include lines are not read yet.
type blocks struct {
	*collector
	global   lines // of the file itself
	sections []*section
	kept     int            // lines with a directive
	full     bool           // the rest is not looked at
	included map[string]Pos // the line that includes a file, by its path
	runs     []*run
	blocksOf
}

// blocksOf is what blocks know about the file that they are in.
type blocksOf struct {
	name   string
	text   []byte
	within bool     // it is an included one
	begun  bool     // it has a section above
	open   *section // the section of indented lines
	closer stmt     // the global line that ended the last section
	gap    bool     // an empty line stands between open and here
	lost   bool     // inside of a run of indented lines without a section
}

// A run is a block of lines with the same wrong indentation, which is
// reported once.
type run struct {
	sec   *section // nil: global lines
	first stmt
	lines int
}

const (
	// maxServices is how many sections a file may have.
	maxServices = 1 << 13
	// maxDirectives is how many lines with a directive it may have.
	maxDirectives = 1 << 19
)

// scan reads the file and what it includes.
func (b *blocks) scan() {
	b.blocksOf = blocksOf{name: b.source.Name, text: b.plainText(b.source.Name, b.source.Text)}
	b.global.file, b.global.text = b.name, b.text
	b.scanText()
	b.reportRuns()
}

func (b *blocks) scanText() {
	for p := range extents(b.text) {
		if p.size > maxLine {
			b.long(p)
			continue
		}
		s := newStmt(b.name, int(p.line), string(b.text[p.at:p.at+p.size]))
		if at := controlAt(s.text); at >= 0 {
			b.fail(&s, at, fmt.Sprintf("control character %U", rune(s.text[at])), "remove it")
			continue
		}
		rest := s.text[s.keyAt:]
		switch {
		case rest == "":
			b.empty(&s)
		case rest[0] == '#':
		case s.key == "":
			b.prose(&s)
		default:
			b.place(&s, p)
		}
		if b.full {
			break
		}
	}
}

// long reports a line that is too long, unless it is a comment.
func (b *blocks) long(p extent) {
	if bytes.HasPrefix(bytes.TrimLeft(b.text[p.at:p.at+maxLine], " \t"), []byte("#")) {
		return
	}
	s := stmt{file: b.name, line: int(p.line), src: string(b.text[p.at : p.at+problem.MaxShown*utf8.UTFMax])}
	s.text = s.src
	b.fail(&s, 0, fmt.Sprintf("the line has %d bytes, more than %d", p.size, maxLine), "is this a configuration? A list of networks can stand in a file of its own: @/PATH")
}

// keep adds a line with a directive, as long as there are not too many.
func (b *blocks) keep(in *lines, s *stmt, p extent) {
	if b.kept++; b.kept > maxDirectives {
		b.stop(s, fmt.Sprintf("more than %d lines with directives in one file", maxDirectives))
		return
	}
	in.add(p, s.key)
}

// stop reports that a limit is exceeded. The rest of the file is not looked at.
func (b *blocks) stop(s *stmt, text string) {
	b.full = true
	b.fail(s, s.keyAt, text, "what follows in this file was not looked at")
}

func (b *blocks) empty(s *stmt) {
	if s.indent > 4 {
		b.lenient(s, 0, "a line of nothing but blanks", "make it empty")
		return
	}
	b.gap = b.open != nil
}

// place adds s to the globals or to a section, by its indentation.
func (b *blocks) place(s *stmt, p extent) {
	if s.text != s.src && strings.IndexFunc(s.src[:len(s.src)-len(comment(s))], problem.ForeignBlank) >= 0 {
		b.lenient(s, 0, "a blank that is not the plain one, as web pages have them", "write plain blanks")
	}
	switch {
	case s.key == "virtual" || s.key == "virtual6":
		b.begin(s)
	case s.indent == 0:
		b.outer(s, p)
	default:
		b.inner(s, p)
	}
}

func comment(s *stmt) string {
	if i := strings.IndexByte(s.src, '#'); i >= 0 {
		return s.src[i:]
	}
	return ""
}

func (b *blocks) begin(s *stmt) {
	if s.indent > 0 {
		b.lenient(s, s.keyAt, fmt.Sprintf("`%s` is indented", s.key), "a section begins at the first column")
	}
	if len(b.sections) == maxServices {
		b.stop(s, fmt.Sprintf("more than %d virtual services in one file", maxServices))
		return
	}
	b.open = &section{head: *s, six: s.key == "virtual6", body: lines{file: b.name, text: b.text}}
	b.sections = append(b.sections, b.open)
	b.begun, b.gap, b.lost = true, false, false
}

// outer handles a line that begins at the first column. A line that is not
// allowed there does not end the section, so that it is reported alone and not
// with the lines below it.
func (b *blocks) outer(s *stmt, p extent) {
	d := byName[s.key]
	if d == nil || d.scope&inGlobal == 0 {
		b.misplaced(s, inGlobal)
		return
	}
	if b.open != nil {
		b.closer = *s
	}
	b.open, b.gap, b.lost = nil, false, false
	b.outside(s, p)
}

// outside handles a line outside of sections.
func (b *blocks) outside(s *stmt, p extent) {
	switch {
	case b.within && s.key == "include":
		b.fail(s, s.keyAt, "an included file cannot include another", "move the line to "+b.source.Name)
	case b.within:
		b.fail(s, s.keyAt, fmt.Sprintf("`%s` is outside of the sections, of which an included file consists", s.key),
			fmt.Sprintf("move it to %s, or into a section, indented with 4 blanks or a tab", b.source.Name))
	default:
		b.keep(&b.global, s, p)
		if s.key == "include" {
			b.include(s)
		}
	}
}

func (b *blocks) inner(s *stmt, p extent) {
	switch {
	case b.open != nil && s.indent <= b.open.head.indent:
		b.beside(s, p)
	case b.open != nil:
		b.member(s, p)
	case !b.begun:
		b.indented(nil, s)
		if d := byName[s.key]; d == nil || d.scope&inGlobal == 0 {
			b.misplaced(s, inGlobal)
			return
		}
		b.outside(s, p)
	case !b.lost:
		b.lost = true
		b.fail(s, s.keyAt, fmt.Sprintf("`%s` is indented but in no section", s.key),
			fmt.Sprintf("the global directive `%s` of line %d ended the section above", b.closer.key, b.closer.line))
	}
}

// beside handles a line that is indented no more than the `virtual` line above.
// In a file that is indented as a whole it is a global one.
func (b *blocks) beside(s *stmt, p extent) {
	head := b.open.head
	if d := byName[s.key]; d == nil || d.scope&inGlobal == 0 {
		b.fail(s, s.keyAt, fmt.Sprintf("`%s` is not indented more than `%s` of line %d", s.key, head.key, head.line),
			"begin sections at the first column, and indent their lines with 4 blanks or a tab")
		return
	}
	b.indented(nil, s)
	b.closer = *s
	b.open, b.gap, b.lost = nil, false, false
	b.outside(s, p)
}

func (b *blocks) member(s *stmt, p extent) {
	if b.gap {
		b.gap = false
		b.lenient(s, s.keyAt, "an empty line stands inside of the section, above this line",
			"remove it or put a # on it: for ldirectord an empty line ends the section")
	}
	if s.indent < 4 && b.open.head.indent == 0 {
		b.indented(b.open, s)
	}
	if d := byName[s.key]; d == nil || d.scope&inSection == 0 {
		b.misplaced(s, inSection)
		return
	}
	b.keep(&b.open.body, s, p)
}

// indented records that the indentation of s is wrong for its place.
func (b *blocks) indented(sec *section, s *stmt) {
	if n := len(b.runs); n > 0 && b.runs[n-1].sec == sec {
		b.runs[n-1].lines++
		return
	}
	b.runs = append(b.runs, &run{sec: sec, first: *s, lines: 1})
}

func (b *blocks) reportRuns() {
	for _, r := range b.runs {
		text, hint := "a global directive is indented", "begin it at the first column"
		if r.sec != nil {
			text = fmt.Sprintf("indented with %s only", problem.Plural(r.first.indent, "blank"))
			hint = "indent the lines of a section with 4 blanks or a tab"
		}
		if r.lines > 1 {
			text += fmt.Sprintf(" (here and on %s below)", problem.Plural(r.lines-1, "line"))
		}
		b.lenient(&r.first, r.first.keyAt, text, hint)
	}
}

// prose reports a line without an equals sign where one is needed.
func (b *blocks) prose(s *stmt) {
	rest := s.text[s.keyAt:]
	word := rest[:nameLen(rest)]
	behind, _, _ := strings.Cut(rest[len(word):], "#")
	behind = strings.TrimSpace(behind)
	switch {
	case byName[word] != nil && (behind == "" || behind[0] == ':' || len(strings.Fields(behind)) == 1):
		b.fail(s, s.keyAt+len(word), fmt.Sprintf("no `=` behind `%s`", word), fmt.Sprintf("write %s=VALUE", word))
	default:
		hint, known := suggest.Directive(strings.ToLower(word))
		if !known {
			hint = "put a # in front of it if it is a comment"
		}
		b.fail(s, s.keyAt, "this line is no directive", hint)
	}
}

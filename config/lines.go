package config

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/config/internal/problem"
)

// A stmt is one line that is neither empty nor a comment.
type stmt struct {
	file   string
	line   int
	src    string // the line as the file has it, without its end
	text   string // src with foreign blanks made plain; same number of characters
	indent int    // in columns, a tab counting four as in ldirectord
	key    string // "" if the line has no KEY = form
	keyAt  int    // where key begins in text, in bytes
	val    string // what follows the equals sign, comment included, blanks off
	valAt  int
	tail   bool // blanks stand behind val
}

// newStmt splits a line into key and value. key is empty if there is no name with
// an equals sign behind it.
func newStmt(file string, num int, src string) stmt {
	s := stmt{file: file, line: num, src: src, text: plainBlanks(src)}
	s.keyAt = len(s.text) - len(strings.TrimLeft(s.text, " \t"))
	s.indent = columns(s.text[:s.keyAt])
	name := s.text[s.keyAt : s.keyAt+nameLen(s.text[s.keyAt:])]
	rest := strings.TrimLeft(s.text[s.keyAt+len(name):], " \t")
	switch {
	case name == "supervised" && (rest == "" || rest[0] == '#'): // the one directive that may stand alone
		s.key, s.valAt = name, s.keyAt+len(name)
	case name != "" && strings.HasPrefix(rest, "="):
		s.key = name
		s.setValue(rest[1:])
	}
	return s
}

// setValue makes raw, the end of text, the value.
func (s *stmt) setValue(raw string) {
	left := strings.TrimLeft(raw, " \t")
	s.val = strings.TrimRight(left, " \t")
	s.tail = len(s.val) < len(left)
	s.valAt = len(s.text) - len(left)
}

// column turns an offset in text into a column.
func (s *stmt) column(at int) int {
	return utf8.RuneCountInString(s.text[:min(at, len(s.text))]) + 1
}

// nameLen returns the length of the name at the beginning of s.
func nameLen(s string) int {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return i
		}
	}
	return len(s)
}

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// columns returns the width of indentation as ldirectord counts it.
func columns(blanks string) int {
	return len(blanks) + 3*strings.Count(blanks, "\t")
}

// plainBlanks replaces the blanks that only web pages have (no-break,
// ideographic) outside of double quotes and comments.
func plainBlanks(src string) string {
	if isASCII(src) {
		return src
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRuneInString(src[i:])
		switch {
		case r == '#' && !quoted:
			b.WriteString(src[i:])
			return b.String()
		case r == '"':
			quoted = !quoted
		}
		if problem.ForeignBlank(r) && !quoted {
			b.WriteByte(' ')
		} else {
			b.WriteString(src[i : i+n])
		}
		i += n
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// maxLine is how many bytes a line may have.
const maxLine = 64 << 10

// An extent is the place of a line in the text of a file.
type extent struct {
	line     int32
	at, size int32 // in bytes, without its end
}

// extents yields the lines of text. Lines do not include a carriage return at
// their end.
func extents(text []byte) iter.Seq[extent] {
	return func(yield func(extent) bool) {
		at, num := 0, int32(0)
		for line := range bytes.Lines(text) {
			num++
			size := len(bytes.TrimRight(bytes.TrimSuffix(line, []byte("\n")), "\r"))
			if !yield(extent{line: num, at: int32(at), size: int32(size)}) {
				return
			}
			at += len(line)
		}
	}
}

// lines are some lines of one file, in its order. Only the places of the lines are
// kept, not their text: a file may have a million.
type lines struct {
	file    string
	text    []byte // of the file
	extents []extent
	last    map[string]int // of a directive, by its name
}

func (l *lines) add(p extent, directive string) {
	if l.last == nil {
		l.last = map[string]int{}
	}
	l.last[directive] = len(l.extents)
	l.extents = append(l.extents, p)
}

// all yields the lines. Each is parsed when it is yielded, and not kept.
func (l *lines) all() iter.Seq[*stmt] {
	return func(yield func(*stmt) bool) {
		for i := range l.extents {
			if !yield(l.stmt(i)) {
				return
			}
		}
	}
}

func (l *lines) stmt(i int) *stmt {
	p := l.extents[i]
	s := newStmt(l.file, int(p.line), string(l.text[p.at:p.at+p.size]))
	return &s
}

// lastOf returns the last line with one of some directives, nil if there is none.
func (l *lines) lastOf(directives ...string) *stmt {
	found := -1
	for _, name := range directives {
		if i, ok := l.last[name]; ok {
			found = max(found, i)
		}
	}
	if found < 0 {
		return nil
	}
	return l.stmt(found)
}

// numbered returns the line with a number, which must be one of l.
func (l *lines) numbered(num int) *stmt {
	i, _ := slices.BinarySearchFunc(l.extents, num, func(p extent, n int) int { return int(p.line) - n })
	return l.stmt(i)
}

// controlAt returns the offset of the first control character but tab, -1 for
// none.
func controlAt(s string) int {
	return strings.IndexFunc(s, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) })
}

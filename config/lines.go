package config

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A stmt is one line that is neither empty nor a comment.
type stmt struct {
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

// newStmt takes a line apart. Where there is no equals sign behind a name, key
// is empty.
func newStmt(num int, src string) stmt {
	s := stmt{line: num, src: src, text: plainBlanks(src)}
	s.keyAt = len(s.text) - len(strings.TrimLeft(s.text, " \t"))
	s.indent = columns(s.text[:s.keyAt])
	name := s.text[s.keyAt : s.keyAt+nameLen(s.text[s.keyAt:])]
	rest := strings.TrimLeft(s.text[s.keyAt+len(name):], " \t")
	if name == "" || !strings.HasPrefix(rest, "=") {
		return s
	}
	s.key = name
	s.setValue(rest[1:])
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

// nameLen is the length of the name s begins with.
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

// columns is how wide indentation is for ldirectord.
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
		if foreignBlank(r) && !quoted {
			b.WriteByte(' ')
		} else {
			b.WriteString(src[i : i+n])
		}
		i += n
	}
	return b.String()
}

func foreignBlank(r rune) bool { return r != ' ' && unicode.Is(unicode.Zs, r) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// splitLines returns the lines of text without their ends, and the number of
// the first that ends like a DOS line, 0 for none.
func splitLines(text string) (lines []string, dos int) {
	lines = strings.Split(text, "\n")
	if n := len(lines) - 1; lines[n] == "" {
		lines = lines[:n]
	}
	for i, l := range lines {
		cut := strings.TrimRight(l, "\r")
		if len(cut) < len(l) && dos == 0 {
			dos = i + 1
		}
		lines[i] = cut
	}
	return lines, dos
}

// controlAt finds a character that has no place in a text file, -1 for none.
func controlAt(s string) int {
	return strings.IndexFunc(s, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) })
}

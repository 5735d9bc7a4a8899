package config

import (
	"strings"
	"unicode/utf8"
)

// curly are the double quotes that word processors and web pages make.
const curly = "“”„‟«»″＂"

var straight = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "‟", `"`, "«", `"`, "»", `"`, "″", `"`, "＂", `"`)

// straighten makes the quotes of a value straight, if it begins with a curly one,
// or has one straight quote at its beginning and curly ones behind.
func (f *field) straighten() {
	opens := startsWithAny(f.val, curly)
	mixed := strings.HasPrefix(f.val, `"`) && strings.Count(f.val, `"`) == 1 && strings.ContainsAny(f.val, curly)
	if !opens && !mixed {
		return
	}
	f.lenient(f.valAt, "typographic quotes", `write plain double quotes: "`)
	f.val = straight.Replace(f.val)
	f.text = f.text[:f.valAt] + f.val
}

func startsWithAny(s, chars string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && r != utf8.RuneError && strings.ContainsRune(chars, r)
}

// singles removes single quotes around the whole value.
func (f *field) singles() (found bool) {
	for _, q := range []string{"'", "‘", "’"} {
		closed := strings.HasSuffix(f.val, "'") || strings.HasSuffix(f.val, "’") || strings.HasSuffix(f.val, "‘")
		if len(f.val) > 2*len(q)-1 && strings.HasPrefix(f.val, q) && closed {
			f.lenient(f.valAt, "single quotes", `write plain double quotes: "`)
			f.val = strings.Trim(f.val, "'‘’")
			return true
		}
	}
	return false
}

// cut removes the comment from the value. It begins at the first # for which open
// is false.
func (f *field) cut(open func(before) bool) (found bool) {
	var b before
	for i, r := range f.val {
		if r == '#' && !open(b) {
			f.hash = f.valAt + i
			f.val = strings.TrimRight(f.val[:i], " \t")
			f.tail = false
			return true
		}
		b.see(r)
	}
	return false
}

// before describes the text in front of a #.
type before struct {
	straight, curly int // quotes
	last            rune
}

func (b *before) see(r rune) {
	b.last = r
	if r == '"' {
		b.straight++
	} else if r >= 0x80 && strings.ContainsRune(curly, r) {
		b.curly++
	}
}

// These report whether a # is part of the value: never, if no blank stands before
// it, until the quotes are closed, while their number is odd.
func never(before) bool { return false }

func unlessBlank(b before) bool { return b.last != 0 && b.last != ' ' && b.last != '\t' }

func unclosed(b before) bool { return b.straight < 2 }

func oddQuotes(b before) bool { return (b.straight+b.curly)%2 == 1 }

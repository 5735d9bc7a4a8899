package pattern

import (
	"regexp"
	"strings"
)

// vertical are the bytes of Perl's \v, for a class. To Go it is \x0b alone.
const vertical = `\n\x0b\f\r\x85`

// perlBraces are the repeats that are literal text to Go: no lower bound, and
// blanks (Perl 5.34).
var perlBraces = regexp.MustCompile(`^\{ *(\d*) *(,?) *(\d*) *\}`)

// quoted is text that stands for itself. Perl takes \Q in a pattern from a file
// for a Q; Go quotes the text, which is what is meant.
var quoted = regexp.MustCompile(`(?s)^\\Q.*?(\\E|$)`)

// translate rewrites the parts of a Perl pattern that mean something else in Go.
func translate(source string) string {
	var b strings.Builder
	for class, i := 0, 0; i < len(source); {
		rest := source[i:]
		text, n := rest[:1], 1
		switch {
		case class == 0 && quoted.MatchString(rest):
			text = quoted.FindString(rest)
			n = len(text)
		case strings.HasPrefix(rest, `\v`) && class > 0:
			text, n = vertical, 2
		case strings.HasPrefix(rest, `\v`):
			text, n = "["+vertical+"]", 2
		case rest[0] == '\\' && len(rest) > 1:
			text, n = rest[:2], 2
		case class > 0:
			text, n, class = inClass(rest, class)
		case rest[0] == '[':
			text = classStart.FindString(rest)
			n, class = len(text), 1
		case rest[0] == '{':
			text, n = repeat(rest)
		}
		b.WriteString(text)
		i += n
	}
	return b.String()
}

// classStart is the beginning of a class, in which a bracket stands for itself.
var classStart = regexp.MustCompile(`^\[\^?\]?`)

// posixClass is a class in a class.
var posixClass = regexp.MustCompile(`^\[:\^?\w+:\]`)

func inClass(rest string, class int) (text string, n, left int) {
	if named := posixClass.FindString(rest); named != "" {
		return named, len(named), class
	}
	if rest[0] == ']' {
		class = 0
	}
	return rest[:1], 1, class
}

func repeat(rest string) (text string, n int) {
	m := perlBraces.FindStringSubmatch(rest)
	if m == nil || m[1] == "" && m[3] == "" {
		return "{", 1
	}
	if m[1] == "" {
		m[1] = "0"
	}
	return "{" + m[1] + m[2] + m[3] + "}", len(m[0])
}

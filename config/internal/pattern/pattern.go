// Package pattern implements receive patterns: Perl regular expressions as far as
// Go has them, matched against bytes within bounds of time and memory.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxPattern is how long a pattern may be, in bytes.
	maxPattern = 64 << 10
	// maxSteps is how many instructions the program of a pattern may have. In
	// the worst case each of them is executed for each byte of an answer.
	maxSteps = 10_000
)

// A Pattern is a receive pattern: a Perl regular expression as far as Go has
// them, matched against bytes, unanchored.
//
// As in Perl, `.` and a class match one byte, and `$` also matches in front
// of a newline that ends the text. A Pattern may be used by many goroutines.
type Pattern struct {
	source string
	re     *regexp.Regexp
	steps  int    // about as many as the program of re has
	prefix []byte // every match begins with it
	whole  bool   // and ends with it
}

// Compile makes a Pattern of source. Its error is a *syntax.Error of
// package regexp/syntax.
func Compile(source string) (*Pattern, error) {
	if len(source) > maxPattern {
		return nil, &syntax.Error{Code: syntax.ErrLarge}
	}
	tree, err := syntax.Parse(string(latin1([]byte(translate(source)))), syntax.Perl)
	if err != nil {
		return nil, err
	}
	tree = perlSpace(perlEnd(tree))
	p := &Pattern{source: source, steps: steps(tree)}
	if p.steps > maxSteps {
		return nil, &syntax.Error{Code: syntax.ErrLarge}
	}
	if p.re, err = regexp.Compile(tree.String()); err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	prefix, whole := program.Prefix()
	if narrow, ok := bytesOf(prefix); ok {
		p.prefix, p.whole = narrow, whole
	}
	return p, nil
}

// Steps returns about how many instructions the program of p has. One takes
// some hundred bytes.
func (p *Pattern) Steps() int { return p.steps }

// String returns the pattern as the file has it.
func (p *Pattern) String() string { return p.source }

// Equal reports whether p and q are the same pattern. Two nil ones are.
func (p *Pattern) Equal(q *Pattern) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.source == q.source
}

// perlEnd makes every `$` of the tree match in front of a final newline too.
func perlEnd(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpEndText && re.Flags&syntax.WasDollar != 0 {
		newline := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\n'}}
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{
			{Op: syntax.OpQuest, Sub: []*syntax.Regexp{newline}},
			{Op: syntax.OpEndText},
		}}
	}
	for i, sub := range re.Sub {
		re.Sub[i] = perlEnd(sub)
	}
	return re
}

// perlSpace makes every `\s` and `\S` of the tree count the vertical tab among
// blanks. A class that has its neighbours on both sides but not itself is taken
// for one.
func perlSpace(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpCharClass {
		re.Rune = withTab(re.Rune)
	}
	for i, sub := range re.Sub {
		re.Sub[i] = perlSpace(sub)
	}
	return re
}

// withTab is a class, in pairs of first and last character, with the vertical
// tab on the side of its neighbours.
func withTab(class []rune) []rune {
	for i := 1; i+1 < len(class); i += 2 {
		switch {
		case class[i] == '\v'-1 && class[i+1] == '\v'+1: // a gap
			return slices.Delete(slices.Clone(class), i, i+2)
		case class[i-1] == '\v' && class[i] == '\v' && i > 1 && class[i-2] == '\t'-1 && class[i+1] == '\r'+1: // of \S
			return slices.Delete(slices.Clone(class), i-1, i+1)
		}
	}
	return class
}

// latin1 returns b with every byte as a character. It returns ASCII, the usual
// case, as it is.
func latin1(b []byte) []byte { return new(memory).latin1(b) }

// Explain returns what is wrong with source, by the error of Compile: a text, a
// hint, and an offset into source.
func Explain(err error, source string) (text, hint string, at int) {
	bad, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return "", "", 0
	}
	return fault(bad), hintOf(bad), offsetOf(bad.Expr, source)
}

func fault(e *syntax.Error) string {
	if e.Expr == "" {
		return string(e.Code)
	}
	return string(e.Code) + " `" + e.Expr + "`"
}

// offsetOf returns the offset of the fragment of a pattern that the compiler
// complains of. Characters of the fragment are bytes of the source.
func offsetOf(fragment, source string) int {
	before, _, found := strings.Cut(string(latin1([]byte(source))), fragment)
	if !found {
		return 0
	}
	return utf8.RuneCountInString(before)
}

// descending reports whether the bounds of a repeat such as {2,1} are the wrong
// way round.
func descending(repeat string) bool {
	lo, hi, ok := strings.Cut(strings.Trim(repeat, "{}?"), ",")
	from, err := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	return ok && err == nil && err2 == nil && to < from && from <= 1000
}

// hintOf returns a hint, which tells errors from features that Go does not have.
func hintOf(e *syntax.Error) string {
	switch x := e.Expr; {
	case strings.HasPrefix(x, "(?=") || strings.HasPrefix(x, "(?!") || strings.HasPrefix(x, "(?<"):
		return "Go's regular expressions (RE2) have no look-around: look-ahead (?= (?! and look-behind (?<= (?<! have to be said in another way"
	case len(x) > 1 && x[0] == '\\' && '0' <= x[1] && x[1] <= '9' || strings.HasPrefix(x, `\g`) || strings.HasPrefix(x, `\k`):
		return `Go's regular expressions (RE2) have no back references such as \1`
	case e.Code == syntax.ErrInvalidEscape || e.Code == syntax.ErrInvalidPerlOp:
		return "Go's regular expressions (RE2) are used: no look-around, no back references and not every escape of Perl"
	case e.Code == syntax.ErrLarge:
		return fmt.Sprintf("a pattern has at most %d bytes and makes a program of at most %d steps, because a check has to be over in time: use smaller repeat counts, or less of them in one another", maxPattern, maxSteps)
	case e.Code == syntax.ErrInvalidRepeatSize && descending(x):
		return "write the smaller number first"
	case e.Code == syntax.ErrInvalidRepeatSize:
		return "a repeat count is at most 1000"
	case e.Code == syntax.ErrInvalidCharRange && strings.HasPrefix(strings.ToLower(x), `\p`):
		return `Go's regular expressions (RE2) have no such class: they know \p{L}, \p{Greek} and [[:alpha:]]`
	case e.Code == syntax.ErrInvalidCharRange && strings.HasPrefix(x, "[:"):
		return "the classes are [[:alpha:]], [[:digit:]], [[:alnum:]], [[:upper:]], [[:lower:]], [[:space:]], [[:punct:]] and their like"
	case e.Code == syntax.ErrInvalidCharRange:
		return "write the lower character of the range first"
	}
	return "receive is a regular expression; put a \\ in front of a character that stands for itself"
}

package config

import "regexp"

// A Pattern is a receive pattern: a Perl regular expression as far as Go has
// them, matched against bytes, unanchored.
type Pattern struct {
	source string
	re     *regexp.Regexp
}

// String returns the pattern as the file has it.
func (p *Pattern) String() string { return p.source }

// Match reports whether the pattern occurs in b.
func (p *Pattern) Match(b []byte) bool { return p.re.Match(b) }

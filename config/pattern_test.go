package config_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shunt-lb/shunt/config"
)

// The results are those of Perl 5 for the same bytes.
func TestPatternMatch(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"Test", "a Test Page", true},
		{"test", "a Test Page", false},
		{"(?i)test", "a Test Page", true},
		{"^b", "a\nb", false},
		{"(?m)^b", "a\nb", true},
		{"a.b", "a\nb", false},
		{"(?s)a.b", "a\nb", true},
		{"ok$", "ok", true},
		{"ok$", "ok\n", true},
		{"ok$", "ok\n\n", false},
		{"ok$", "ok\nmore", false},
		{"^(ok|fine)$", "fine\n", true},
		{"(?:ok$)|never", "ok\n", true},
		{"(ok$)+", "ok\n", true},
		{`ok\z`, "ok\n", false},
		{`ok\z`, "ok", true},
		{"(?m)ok$", "ok\nmore", true},
		{"^$", "", true},
		{"^$", "\n", true},
		{"^$", "x", false},
		{"^.$", "\xe9", true},
		{"^..$", "é", true},
		{"^.$", "é", false},
		{"grün", "alles grün", true},
		{"gr[ü]n", "alles gr\xfcn", false},
		{`gr\xfcn`, "alles gr\xfcn", true},
		{`\x{263a}`, "☺", false},
		{`\xe2\x98\xba`, "☺", true},
		{"[^a]", "\xff", true},
		{`a\sb`, "a\vb", true},
		{`a[\sx]b`, "a\vb", true},
		{`a\Sb`, "a\vb", false},
		{`a\Sb`, "axb", true},
		{`a\Sb`, "a\xffb", true},
		{`a[\S]b`, "a\x00b", true},
		{`a[^\s]b`, "a\vb", false},
		{`a\sb`, "a\x00b", false},
		{`a[\x0b]b`, "a\vb", true},
		{`10.1.2.3`, "10.1.2.35", true},
		{`^10\.1\.2\.3$`, "10.1.2.35", false},
	}
	for _, tt := range tests {
		p, err := config.CompilePattern(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, text := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
			if got, err := p.Match(t.Context(), text); got != tt.want || err != nil {
				t.Errorf("%q in %q: %v, %v, want %v", tt.pattern, tt.text, got, err, tt.want)
			}
		}
		if p.String() != tt.pattern {
			t.Errorf("%q reads %q", tt.pattern, p.String())
		}
	}
}

func TestPatternRefused(t *testing.T) {
	for _, bad := range []string{"(", "a(?=b)", "a(?!b)", "(?<=a)b", `(a)\1`, "a++", "[z-a]", `\Z`, "a{2000}"} {
		if _, err := config.CompilePattern(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestPatternEqual(t *testing.T) {
	a, b, c := compile(t, "a"), compile(t, "a"), compile(t, "c")
	var none *config.Pattern
	for _, tt := range []struct {
		p, q *config.Pattern
		want bool
	}{{a, b, true}, {a, c, false}, {a, none, false}, {none, a, false}, {none, none, true}} {
		if got := tt.p.Equal(tt.q); got != tt.want {
			t.Errorf("%v equal to %v: %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
}

func compile(t *testing.T, source string) *config.Pattern {
	t.Helper()
	p, err := config.CompilePattern(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

package config_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// perlMatches reads pairs of pattern and text, and says whether each matches.
const perlMatches = `while(<STDIN>){chomp; my($p,$t)=map{pack("H*",$_)} split(/ /,$_,2); print $t =~ /$p/ ? 1 : 0}`

// TestPatternsLikePerl makes patterns of what Go and Perl read differently, and
// of what stands around it, and matches them as Perl does.
func TestPatternsLikePerl(t *testing.T) {
	need.Programs(t, "perl")
	atoms := []string{
		"a", "b", `\v`, `\\v`, `[a\v]`, `[^\v]`, `[]\v]`, `[^]a]`, `[[:alpha:]\v]`, "a{,2}", "(ab){,1}", "[b]{,3}", "a{1,}", "b{2}",
		`a\{,2}`, `[{,2}]`, `\s`, `\S`, ".", `\n`, `\x0b`, "^", "(?:a|b)", "x{", "}",
	}
	texts := []string{"a", "b", "\n", "\v", "\f", "\r", "\x85", "{,2}", "{", "]", "x{", `\v`, "\\", " "}
	const n = 2000
	var in strings.Builder
	var patterns, against []string
	r := rand.New(rand.NewPCG(1, 2))
	some := func(of []string, least, most int) (all string) {
		for range least + r.IntN(most-least+1) {
			all += of[r.IntN(len(of))]
		}
		return all
	}
	for range n {
		p, text := some(atoms, 1, 4)+some([]string{"", "$"}, 1, 1), some(texts, 0, 5)
		patterns, against = append(patterns, p), append(against, text)
		fmt.Fprintf(&in, "%s %s\n", hex.EncodeToString([]byte(p)), hex.EncodeToString([]byte(text)))
	}
	cmd := exec.Command("perl", "-e", perlMatches)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil || len(out) != n {
		t.Fatalf("perl says %d of %d: %v", len(out), n, err)
	}
	for i, p := range patterns {
		c, err := config.CompilePattern(p)
		if err != nil {
			t.Errorf("%q: %v", p, err)
			continue
		}
		if got, _ := c.Match(t.Context(), strings.NewReader(against[i])); got != (out[i] == '1') {
			t.Errorf("%q in %q: %v, and %c in Perl", p, against[i], got, out[i])
		}
	}
}

// TestPatternsQuoted: what stands between \Q and \E, or the end, stands for
// itself, and nothing is translated in it.
func TestPatternsQuoted(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{`\Q.b*\E`, "a.b*c", true},
		{`\Q.b*\E`, "abc", false},
		{`\Q.b*\E`, "Q.b*E", true},
		{`x\Q.\E+`, "x...", true},
		{`^\Qa\v{,3}\E$`, `a\v{,3}`, true},
		{`\Qa.`, "a.", true},
		{`\Qa.`, "ab", false},
		{`\\Qa`, `\Qa`, true},
		{`\Q[\E\v`, "[\n", true},
	} {
		p, err := config.CompilePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if got, err := p.Match(t.Context(), strings.NewReader(c.text)); got != c.want || err != nil {
			t.Errorf("%q in %q: %v, %v", c.pattern, c.text, got, err)
		}
	}
}

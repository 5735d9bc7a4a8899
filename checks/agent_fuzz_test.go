package checks

import (
	"strings"
	"testing"
	"unicode"

	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// FuzzAgent: a line means the same in whatever pieces it comes, and what is said
// of it is one line fit for a status page.
func FuzzAgent(f *testing.F) {
	for _, line := range []string{"up\n", "75%, ready # why\r\n", "maint\ndown", "weight:0% down", "", "# \x1b[31m\n", "maxconn:3\n", "\x00up\n"} {
		f.Add([]byte(line), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		whole, parts := Note{}, Note{}
		err := feedAgent(text, len(text)+1, &whole)
		if again := feedAgent(text, int(piece)+1, &parts); words(err) != words(again) {
			t.Fatalf("%q is %q, and in pieces %q", text, words(err), words(again))
		}
		if whole.Admin != parts.Admin || whole.Up != parts.Up || whole.Why != parts.Why || (whole.Weight == nil) != (parts.Weight == nil) {
			t.Fatalf("%q notes %+v, and in pieces %+v", text, whole, parts)
		}
		for _, s := range []string{words(err), whole.Why} {
			if strings.ContainsFunc(s, unicode.IsControl) || len(s) > 6*quote.MaxShort {
				t.Fatalf("%q is not fit to be shown", s)
			}
		}
	})
}

func feedAgent(text []byte, piece int, n *Note) error {
	s := newAgentSession(&Target{Note: n})
	step := s.Begin()
	for !step.Done {
		part := text[:min(piece, len(text))]
		text = text[len(part):]
		step = s.Feed(part, len(text) == 0)
	}
	return step.Err
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

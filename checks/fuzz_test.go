package checks

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/config"
)

// FuzzFindLine compares the reader of simpletcp with a slow model, whatever
// pieces the answer comes in.
func FuzzFindLine(f *testing.F) {
	for _, answer := range []string{"", "\n", "OK", "OK\n", "hello\nOK", "a\nb\n", "\xff\n\n", strings.Repeat("x", 5000)} {
		f.Add([]byte(answer), "OK")
		f.Add([]byte(answer), `^\n$`)
	}
	f.Fuzz(func(t *testing.T, answer []byte, expr string) {
		re, err := config.CompilePattern(expr)
		if err != nil {
			return // no pattern
		}
		want := false
		for line := range bytes.Lines(answer) {
			found, _ := re.Match(t.Context(), bytes.NewReader(line))
			want = want || found
		}
		whole := match.Line(t.Context(), bufio.NewReader(bytes.NewReader(answer)), re)
		single := match.Line(t.Context(), bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(answer)), 16), re)
		if (whole == nil) != want || (single == nil) != want {
			t.Errorf("%q in %q: %v as a whole and %v byte by byte, want a match: %v", expr, answer, whole, single, want)
		}
		for _, most := range []int{len(answer) + 1, 1, 7} {
			s := newLineSession(&Target{Receive: re})
			if got := byPieces(t, s, answer, most); (got == nil) != want || errors.Is(got, match.ErrNoAnswer) != (len(answer) == 0) {
				t.Errorf("%q in %q: %v by the session, in pieces of %d", expr, answer, got, most)
			}
		}
		if none := match.Line(t.Context(), bufio.NewReader(bytes.NewReader(answer)), nil); (none == nil) != (len(answer) > 0) {
			t.Errorf("any of %q: %v", answer, none)
		}
		if errors.Is(whole, match.ErrNoAnswer) != (len(answer) == 0) {
			t.Errorf("%q counts as no answer", answer)
		}
	})
}

// byPieces returns the verdict of a session about an answer that ends with eof.
func byPieces(t *testing.T, s session.Session, answer []byte, most int) error {
	s.Begin()
	for {
		n := min(len(answer), most)
		piece := answer[:n]
		answer = answer[n:]
		switch step := s.Feed(piece, len(answer) == 0); {
		case step.Done:
			return step.Err
		case step.Rest != nil:
			return step.Rest(t.Context(), bytes.NewReader(answer))
		case len(answer) == 0:
			return s.End(errors.New("connection closed"))
		}
	}
}

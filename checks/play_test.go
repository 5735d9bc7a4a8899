package checks

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A played is a conversation with a scripted server. Each line of the script
// is what the server says (S: ) or what the session has to have sent by then
// (C: ), both without the end of the line. A last word says what becomes of
// the connection while the session wants to hear more: (closes), (resets),
// else it hangs.
type played struct {
	name   string
	script string
	kind   Kind   // "" is well
	words  string // of the failure
}

// play has one session go through all scripts, one after the other and in
// pieces of several sizes: the verdict is always the same.
func play(t *testing.T, eol string, s session.Session, scripts []played) {
	t.Helper()
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1 << 20, 1, 2, 5} {
				sent, err := c.run(s, eol, size)
				if !strings.HasPrefix(sent, c.sends()) {
					t.Fatalf("in pieces of %d: sent %q, want %q", size, sent, c.sends())
				}
				if got := verdict(err); got != c.words || KindOf(err) != c.kind {
					t.Errorf("in pieces of %d:\ngot  %s %q\nwant %s %q", size, KindOf(err), got, c.kind, c.words)
				}
			}
		})
	}
}

// run makes the conversation and returns what was sent, and the verdict in the
// words that a check gives it.
func (c *played) run(s session.Session, eol string, size int) (string, error) {
	step := s.Begin()
	sent, until := string(step.Send), step.Until
	feed := func(b []byte, eof bool) {
		if !step.Done {
			step = s.Feed(b, eof)
			sent += string(step.Send)
			until = cmp.Or(step.Until, until)
		}
	}
	said, end := "", ""
	flush := func() {
		for piece := range slices.Chunk([]byte(said), size) {
			feed(piece, false)
		}
		said = ""
	}
	for line := range strings.Lines(c.script) {
		line = strings.Trim(line, "\n\t")
		switch {
		case strings.HasPrefix(line, "S: "):
			said += line[3:] + eol
		case line == "(cut)":
			said = strings.TrimSuffix(said, eol)
		case strings.HasPrefix(line, "C: "):
			flush()
		case line != "":
			end = line
		}
	}
	flush()
	if end == "(closes)" {
		feed(nil, true)
	}
	if step.Done {
		return sent, shown(step.Err)
	}
	return sent, shown(s.End(&failure.Cause{Err: endings[end], When: until}))
}

var endings = map[string]error{"": context.DeadlineExceeded, "(closes)": io.EOF, "(resets)": unix.ECONNRESET}

// sends is what the script has the session send.
func (c *played) sends() (all string) {
	for line := range strings.Lines(c.script) {
		if said, ok := strings.CutPrefix(strings.Trim(line, "\n\t"), "C: "); ok {
			all += said + "\r\n"
		}
	}
	return all
}

// shown is a verdict in words, as attempt has them.
func shown(err error) error {
	if err == nil {
		return nil
	}
	return attempt(context.Background(), "", "", func() error { return err })
}

func verdict(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), " : ")
}

// fuzzSession gives a session answers in pieces: the verdict is the same as of
// the answer at once, fit for a terminal, and without the secret. The end of
// time is never well, and that of the connection only where the session says
// so while it is at an end.
func fuzzSession(f *testing.F, begin func() session.Session, secret string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed), uint16(1))
	}
	s := begin()
	f.Fuzz(func(t *testing.T, answer []byte, n uint16) {
		want := heard(t, begin(), answer, len(answer)+1, secret)
		for _, size := range []int{1, int(n) + 1} {
			if got := heard(t, s, answer, size, secret); got != want {
				t.Errorf("%q in pieces of %d:\n%s\nat once:\n%s", answer, size, got, want)
			}
		}
	})
}

// heard feeds a session and returns what it sent and its verdict.
func heard(t *testing.T, s session.Session, answer []byte, size int, secret string) string {
	step := s.Begin()
	sent := string(step.Send)
	for piece := range slices.Chunk(answer, size) {
		if step.Done {
			break
		}
		step = s.Feed(piece, false)
		sent += string(step.Send)
	}
	err := step.Err
	if !step.Done {
		if s.End(&failure.Cause{Err: context.DeadlineExceeded}) == nil {
			t.Errorf("%q: a timeout is well", answer)
		}
		err = s.End(&failure.Cause{Err: io.EOF})
	}
	if words := verdict(shown(err)); err != nil {
		if strings.ContainsFunc(words, unicode.IsControl) || len(words) > 1000 {
			t.Errorf("%q: %q is not fit for a terminal", answer, words)
		}
		if secret != "" && strings.Contains(words, secret) {
			t.Errorf("%q: %q has the secret", answer, words)
		}
	}
	return fmt.Sprintf("done %t, sent %q, verdict %v", step.Done, sent, err)
}

// never wants a conversation that goes well to allocate nothing, once it has
// been had.
func never(t *testing.T, s session.Session, answers ...string) {
	t.Helper()
	pieces := make([][]byte, len(answers))
	for i, a := range answers {
		pieces[i] = []byte(a)
	}
	var end session.Step
	talk := func() {
		s.Begin()
		for _, piece := range pieces {
			end = s.Feed(piece, false)
		}
	}
	talk()
	if !end.Done || end.Err != nil {
		t.Fatalf("the conversation ends with %+v", end)
	}
	allocatesNothing(t, talk)
}

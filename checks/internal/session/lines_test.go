package session_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// cut returns the lines of an answer that comes in pieces of n bytes.
func cut(l *session.Lines, answer []byte, n int) (lines []string) {
	l.Reset()
	for piece := range slices.Chunk(answer, n) {
		for {
			line, ok := l.Next(&piece)
			if !ok {
				break
			}
			lines = append(lines, string(line))
		}
	}
	return lines
}

// model is what cut returns, slowly.
func model(answer []byte) (lines []string) {
	for line := range bytes.Lines(answer[:min(len(answer), session.MaxLines)]) {
		whole, ended := bytes.CutSuffix(line, []byte("\n"))
		if ended {
			whole = whole[:min(len(whole), session.MaxLine)]
			lines = append(lines, string(bytes.TrimSuffix(whole, []byte("\r"))))
		}
	}
	return lines
}

// FuzzLines compares the lines of an answer with a slow model of them, in
// pieces of any size, and with an assembler that has been used before.
func FuzzLines(f *testing.F) {
	for _, answer := range []string{
		"", "\n", "\r\n", "220 cv\r\n", "220-a\n220 b\r\n", "no end", "\r\r\n", "a\r\nb",
		strings.Repeat("x", session.MaxLine-1) + "\r\n",
		strings.Repeat("x", session.MaxLine) + "\r\n", strings.Repeat("x", 5000) + "\ny\n",
	} {
		f.Add([]byte(answer), uint16(1))
		f.Add([]byte(answer), uint16(7))
	}
	l := new(session.Lines)
	f.Fuzz(func(t *testing.T, answer []byte, n uint16) {
		want := model(answer)
		for _, size := range []int{1, int(n) + 1, len(answer) + 1} {
			if got := cut(l, answer, size); !slices.Equal(got, want) {
				t.Errorf("%q in pieces of %d: %q, want %q", answer, size, got, want)
			}
		}
		if l.Over() {
			t.Errorf("%d bytes are too many", len(answer))
		}
	})
}

// TestLinesBound has an answer that never ends, in lines and without one.
func TestLinesBound(t *testing.T) {
	for _, line := range []string{"x", "220-more\r\n"} {
		for _, n := range []int{1, 1000, session.MaxLines + 100} {
			var l session.Lines
			answer := []byte(strings.Repeat(line, session.MaxLines/len(line)+10))
			if got, want := len(cut(&l, answer, n)), len(model(answer)); got != want {
				t.Errorf("%q in pieces of %d: %d lines, want %d", line, n, got, want)
			}
			if !l.Over() {
				t.Errorf("%q in pieces of %d: %d bytes are not too many", line, n, len(answer))
			}
		}
	}
}

// TestLinesAllocate: lines that are whole cost nothing, and others nothing
// once there is room for them.
func TestLinesAllocate(t *testing.T) {
	var l session.Lines
	answer := []byte("220-one\r\n220-two\r\n220 three\r\n")
	cuts := func() {
		l.Reset()
		for piece := range slices.Chunk(answer, 5) {
			for ok := true; ok; {
				_, ok = l.Next(&piece)
			}
		}
	}
	cuts()
	if n := testing.AllocsPerRun(100, cuts); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

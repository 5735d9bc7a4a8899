//go:build !race

package checks

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/httpget"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/config"
)

// TestSessionsAllocateNothing: a check that goes well takes no memory, be the
// answer in one piece or in some.
func TestSessionsAllocateNothing(t *testing.T) {
	ok, err := config.CompilePattern("Test P[a]ge")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Request: "/x", Receive: ok}
	c, err := newCheck("http", &target)
	if err != nil {
		t.Fatal(err)
	}
	const head = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n"
	datagrams := target
	datagrams.UDP = true
	for name, c := range map[string]struct {
		s      session.Session
		answer []string
	}{
		"http":            {httpget.NewSession(c), []string{head + "Test Page ok"}},
		"http, in pieces": {httpget.NewSession(c), []string{head[:3], head[3:20], head[20:] + "Test", " Page ok"}},
		"http, chunks": {httpget.NewSession(c), []string{
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nTest \r\n4;x\r\nPage\r\n0\r\n\r\n",
		}},
		"line":            {newLineSession(&target), []string{"hello\nTest Page\n"}},
		"line, in pieces": {newLineSession(&target), []string{"hello\nTe", "st ", "Page", "\n"}},
		"datagram":        {newLineSession(&datagrams), []string{"hello\nTest Page\n"}},
	} {
		var pieces [][]byte
		for _, p := range c.answer {
			pieces = append(pieces, []byte(p))
		}
		check := func() {
			step := c.s.Begin()
			for _, p := range pieces {
				step = c.s.Feed(p, false)
			}
			if !step.Done || step.Err != nil {
				t.Fatalf("%s: %+v", name, step)
			}
		}
		if n := testing.AllocsPerRun(100, check); n > 0 {
			t.Errorf("%s takes %v allocations", name, n)
		}
	}
	if held := session.Held(); held != 0 {
		t.Errorf("%d bytes are held by no conversation", held)
	}
}

// TestSessionsHoldLittle: what a server says does not make a check hold more than
// is agreed.
func TestSessionsHoldLittle(t *testing.T) {
	never, err := config.CompilePattern("never")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Receive: never}
	for name, begin := range map[string]string{
		"no line end": "HTTP/1.1 200 OK\r\nX: ", "fields": "HTTP/1.1 200 OK\r\n", "length": "HTTP/1.1 200 OK\r\nContent-Length:",
		"location": "HTTP/1.1 302 OK\r\nLocation: ", "body": "HTTP/1.1 200 OK\r\n\r\n",
		"chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "line": "",
	} {
		for _, more := range []string{"x", "x\n", " \n", "1\r\nx\r\n"} {
			c, err := newCheck("http", &target)
			if err != nil {
				t.Fatal(err)
			}
			var s session.Session = httpget.NewSession(c)
			if name == "line" {
				s = newLineSession(&target)
			}
			s.Begin()
			step := s.Feed([]byte(begin), false)
			for range 20 * MaxBody / 8192 {
				if step.Done || step.Rest != nil || step.Next != nil {
					break
				}
				step = s.Feed([]byte(strings.Repeat(more, 8192/len(more))), false)
				if held := session.Held(); held > 3*session.MaxHeld {
					t.Fatalf("%s with %q: %d bytes are held", name, more, held)
				}
			}
			if !step.Done && step.Rest == nil {
				t.Errorf("%s with %q goes on for ever", name, more)
			}
			_ = s.End(&failure.Cause{Err: match.ErrNoAnswer})
		}
	}
	if held := session.Held(); held != 0 {
		t.Errorf("%d bytes are held by no conversation", held)
	}
}

// TestLinesAllocateNothing: what is matched where that may take its time leaves
// nothing to the collector for each line, be it short, long or not in ASCII.
func TestLinesAllocateNothing(t *testing.T) {
	for _, pattern := range []string{"never", "n(e|v)+r", "(a|b)*.{1,9}never"} {
		want, err := config.CompilePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"\n", "X: y\n", "\xff\xfe\n", strings.Repeat("x", 10_000) + "\n", strings.Repeat("\xff", 70_000) + "\n"} {
			took := func(times int) float64 {
				answer := strings.Repeat(line, times)
				return testing.AllocsPerRun(1, func() {
					if KindOf(attempt(t.Context(), "", "", func() error {
						return match.Line(t.Context(), bufio.NewReaderSize(strings.NewReader(answer), match.LineAtOnce), want)
					})) != Mismatch {
						t.Errorf("%.20q matches %q", line, want)
					}
				})
			}
			few, many, most := 2, 12, 8.0
			if len(line) < 100 { // the collector may take what is kept, but not for each line
				many, most = 2000, 0.1
			}
			if each := (took(many) - took(few)) / float64(many-few); each > most {
				t.Errorf("%.20q with %q takes %v allocations a line", line, want, each)
			}
		}
	}
}

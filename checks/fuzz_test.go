package checks

import (
	"bufio"
	"bytes"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

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
		whole := findLine(t.Context(), bufio.NewReader(bytes.NewReader(answer)), re)
		single := findLine(t.Context(), bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(answer)), 16), re)
		if (whole == nil) != want || (single == nil) != want {
			t.Errorf("%q in %q: %v as a whole and %v byte by byte, want a match: %v", expr, answer, whole, single, want)
		}
		for _, most := range []int{len(answer) + 1, 1, 7} {
			s := newLineSession(&Target{Receive: re})
			if got := byPieces(t, s, answer, most); (got == nil) != want || errors.Is(got, errNoAnswer) != (len(answer) == 0) {
				t.Errorf("%q in %q: %v by the session, in pieces of %d", expr, answer, got, most)
			}
		}
		if none := findLine(t.Context(), bufio.NewReader(bytes.NewReader(answer)), nil); (none == nil) != (len(answer) > 0) {
			t.Errorf("any of %q: %v", answer, none)
		}
		if errors.Is(whole, errNoAnswer) != (len(answer) == 0) {
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

// FuzzEncode holds the request against what may stand in a request line.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "/", "index.html", "/a b?c=ü#d", "//x", "%zz%20", "a\r\nHost: b", "\x00\xff", "http://h/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := encode(s)
		if strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			t.Errorf("%q is encoded as %q", s, e)
		}
		if again := encode(e); again != e {
			t.Errorf("%q is encoded as %q, and that as %q", s, e, again)
		}
		clear, _, _ := strings.Cut(s, "#")
		if back, err := url.PathUnescape(e); !strings.Contains(s, "%") && (err != nil || back != clear) {
			t.Errorf("%q is encoded as %q, which is %q (%v)", s, e, back, err)
		}
	})
}

// FuzzPage: every page that is asked for can be, of a host that the user or
// the redirect named, and never outside of the real server.
func FuzzPage(f *testing.F) {
	for _, s := range []string{"", "/x", "http://www.example.com", "https://[2001:db8::1]:8443/?q", "//other/x", "http:x", "?a", "http://a@b/", "http://127.0.0.1:0/"} {
		f.Add("/index.html", "www.example.com", s)
		f.Add(s, "", "/x")
	}
	server := netip.MustParseAddrPort("127.0.0.1:8080")
	f.Fuzz(func(t *testing.T, request, host, location string) {
		v := &visit{scheme: "http", target: Target{Addr: server, Request: request, VirtualHost: host}}
		p, err := v.start()
		if err != nil {
			return
		}
		v.first = p
		sane(t, v, p)
		if v.door(p) != server {
			t.Errorf("%s is asked for at %s", p, v.door(p))
		}
		if p, err = p.resolve(location); err != nil {
			return
		}
		sane(t, v, p)
	})
}

func sane(t *testing.T, v *visit, p page) {
	t.Helper()
	if n := bytes.Count(v.request(p), []byte("\r\n")); n != 6 {
		t.Errorf("the request for %q has %d lines", p, n)
	}
	if line, _, _ := bytes.Cut(v.request(p), []byte("\r\n")); bytes.Count(line, []byte(" ")) != 2 {
		t.Errorf("request line %q", line)
	}
	if p.target[0] != '/' || v.door(p).Addr() != v.target.Addr.Addr() {
		t.Errorf("%q is asked for at %s", p, v.door(p))
	}
}

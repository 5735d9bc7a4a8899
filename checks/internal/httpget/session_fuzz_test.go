package httpget

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/config"
)

// FuzzHTTP compares the session with a reader that has the answer as a stream,
// in whatever pieces it comes, also if the connection is reset at its end.
func FuzzHTTP(f *testing.F) {
	for _, answer := range []string{
		"", "\r\n", "H", "HTTP/", "ICY ", "ICY 200\n\nOK", "OK", "<html>OK", "HTTP/1.1 200 OK\r\n\r\nOK",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK and more", "HTTP/1.1 200 OK\nContent-Length: 2\n ,3\n\nOK",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: +02, x\r\n\r\nOK", "HTTP/1.1 204 No\r\n\r\nOK",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n1\r\nO\r\n1;x\r\nK\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nOK", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOKx",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nOK", "HTTP/1.1 100 Continue\r\n\r\nOK and on", "HTTP/1.1 101 S\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /a\r\n b\r\nLocation: /c\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation:\r\nlocat\u0130on: x\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n", "http/1.1\t200\u0085OK\r\nfoo\r\n: \r\n \r\n\r\nOK",
	} {
		for _, flags := range []byte{0, 1, 2, 3, 6} {
			f.Add([]byte(answer), "OK", flags, uint64(1))
		}
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", maxHeader)), "OK", byte(0), uint64(1))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 3*session.MaxHeld)+"OK"), "OK", byte(0), uint64(1))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 1000)+"OK"), "(a|b)*.{1,300}OK", byte(0), uint64(1))
	f.Fuzz(func(t *testing.T, answer []byte, expr string, flags byte, seed uint64) {
		target := Target{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Scheme: "http"}
		if re, err := config.CompilePattern(expr); err == nil && flags&1 == 0 {
			target.Receive = re
		}
		if flags&2 != 0 && target.Receive == nil {
			target.Method = "HEAD"
		}
		end := io.EOF
		if flags&4 != 0 {
			end = unix.ECONNRESET
		}
		c, err := New(&target)
		if err != nil {
			t.Fatal(err)
		}
		want := asStream(t, c, answer, end)
		s := NewSession(c)
		for _, most := range []int{len(answer) + 1, 1, 16, 5000} {
			if most < 16 && len(answer) > 1<<17 {
				continue
			}
			got := inPieces(t, s, answer, end, most, seed)
			if odd := "malformed HTTP response"; strings.HasPrefix(got, odd) && strings.HasPrefix(want, odd) {
				continue // they show what there is of the line
			}
			if got != want {
				t.Errorf("%q with %q, in pieces of up to %d:\ngot  %s\nwant %s", answer, expr, most, got, want)
			}
		}
	})
}

// asStream returns the verdict of the reader that reads a stream.
func asStream(t *testing.T, c *Check, answer []byte, end error) string {
	a, err := c.read(t.Context(), io.MultiReader(bytes.NewReader(answer), failing{end}))
	switch {
	case err != nil:
		return text(err)
	case a.redirects():
		p, err := c.first.resolve(a.location)
		if err != nil {
			return text(err)
		}
		return "redirected to " + p.String()
	}
	return text(a.judge(c.receive))
}

// inPieces returns that of the session.
func inPieces(t *testing.T, s *Session, answer []byte, end error, most int, seed uint64) string {
	pieces := rand.New(rand.NewPCG(seed, 1))
	s.Begin()
	left := answer
	for {
		n := min(len(left), 1+pieces.IntN(most))
		eof := n == len(left) && errors.Is(end, io.EOF) && pieces.IntN(2) == 0
		piece := bytes.Clone(left[:n])
		left = left[n:]
		var step session.Step
		switch {
		case n > 0 || eof:
			step = s.Feed(piece, eof)
			for i := range piece {
				piece[i] = '?' // it was lent
			}
		case errors.Is(end, io.EOF):
			step, eof = s.Feed(nil, true), true
		default:
			return text(s.End(&failure.Cause{Err: end, When: "while waiting for the answer"}))
		}
		switch {
		case step.Done:
			return text(step.Err)
		case step.Next != nil:
			return "redirected to " + s.page.String()
		case step.Rest != nil:
			return text(step.Rest(t.Context(), io.MultiReader(bytes.NewReader(left), failing{end})))
		case eof:
			return text(s.End(&failure.Cause{Err: io.EOF, When: "while waiting for the answer"}))
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func text(err error) string {
	if f, ok := errors.AsType[*failure.Cause](err); ok {
		return failure.InWords(context.Background(), time.Now(), f).Error()
	}
	if err == nil {
		return "well"
	}
	return err.Error()
}

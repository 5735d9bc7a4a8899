package checks

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxHeader bounds the status line and headers of an answer, in bytes.
const maxHeader = 64 << 10

// An answer is what came back for one page.
type answer struct {
	header
	matched bool  // the body of a 2xx answer
	size    int64 // of what was read of it
	cut     error // why the rest of it is missing
	endless bool  // it goes on after what is read
}

func (a *answer) redirects() bool {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return a.location != ""
	}
	return false
}

// read reads an answer up to its bounds.
func (v *visit) read(ctx context.Context, conn io.Reader) (*answer, error) {
	bounded := &io.LimitedReader{R: conn, N: maxHeader}
	in := bufio.NewReader(bounded)
	a := &answer{}
	err := a.read(in)
	switch {
	case err != nil && bounded.N <= 0:
		return nil, because(Protocol, "headers of more than %d bytes", maxHeader)
	case err != nil:
		return nil, &failure{err: err, when: "while waiting for the answer"}
	case a.status/100 != 2:
		return a, nil
	case a.bare && (v.head() || v.target.Receive == nil):
		start, _ := in.Peek(in.Buffered()) // which is there
		line, _, _ := strings.Cut(string(start), "\n")
		return nil, malformed(strings.TrimSuffix(line, "\r"))
	}
	body, err := a.body(in, v.head())
	if err != nil {
		return nil, err
	}
	bounded.N = MaxBody + maxHeader // the body's own bound comes first, but for chunks
	return a, a.readBody(ctx, body, v.target.Receive)
}

// readBody reads to the end even where nothing is to be matched, or nothing
// more: a connection closed before is an error in the server's log.
func (a *answer) readBody(ctx context.Context, body io.Reader, want Matcher) error {
	bounded := &io.LimitedReader{R: body, N: MaxAnswer}
	read := &counted{Reader: bounded}
	if want != nil {
		bounded.N = MaxBody
		var err error
		if a.matched, err = want.Match(ctx, read); err != nil {
			return &failure{err: err, when: whileMatching}
		}
	}
	_, _ = io.Copy(io.Discard, read) // the error is counted
	a.size, a.cut, a.endless = read.n, read.err, bounded.N <= 0
	return nil
}

// A counted counts what is read and remembers the first error that is no end.
type counted struct {
	io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (n int, err error) {
	n, err = c.Reader.Read(p)
	c.n += int64(n)
	if c.err == nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

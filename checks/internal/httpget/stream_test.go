package httpget

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// The reader of answers that package http1 took the place of. It reads from a
// stream, so that it is a third of the size; FuzzHTTP holds the other against it.

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
func (c *Check) read(ctx context.Context, conn io.Reader) (*answer, error) {
	bounded := &io.LimitedReader{R: conn, N: maxHeader}
	in := bufio.NewReader(bounded)
	a := &answer{}
	err := a.read(in)
	switch {
	case err != nil && bounded.N <= 0:
		return nil, failure.Because(failure.Protocol, "headers of more than %d bytes", maxHeader)
	case err != nil:
		return nil, &failure.Cause{Err: err, When: "while waiting for the answer"}
	case a.status/100 != 2:
		return a, nil
	case a.bare && (c.head || c.receive == nil):
		start, _ := in.Peek(in.Buffered()) // which is there
		line, _, _ := strings.Cut(string(start), "\n")
		return nil, malformed(strings.TrimSuffix(line, "\r"))
	}
	body, err := a.body(in, c.head)
	if err != nil {
		return nil, err
	}
	bounded.N = MaxBody + maxHeader // the body's own bound comes first, but for chunks
	return a, a.readBody(ctx, body, c.receive)
}

// readBody reads to the end even where nothing is to be matched, or nothing
// more: a connection closed before is an error in the server's log.
func (a *answer) readBody(ctx context.Context, body io.Reader, want match.Matcher) error {
	bounded := &io.LimitedReader{R: body, N: maxUnmatched}
	read := &counted{Reader: bounded}
	if want != nil {
		bounded.N = MaxBody
		var err error
		if a.matched, err = want.Match(ctx, read); err != nil {
			return match.Interrupted(err)
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

// A header is what counts of an answer's status line and headers.
type header struct {
	status   int
	bare     bool     // there is none: all of the answer is its body
	location string   // where a redirect leads
	lengths  []string // what is said about the length of the body
	codings  []string // and about its coding
}

// read reads up to the body of the first answer that is final (RFC 9110
// section 15.2).
func (h *header) read(in *bufio.Reader) error {
	for {
		interim := h.status != 0
		*h = header{}
		switch err := h.readStatus(in); {
		case err == nil && h.bare && interim:
			return failure.Because(failure.Protocol, "an interim answer without a final one")
		case err != nil || h.bare:
			return err
		}
		if err := h.readFields(in); err != nil {
			return err
		}
		if h.status/100 != 1 || h.status == http.StatusSwitchingProtocols {
			return nil
		}
	}
}

// readStatus reads the status line, if there is one. An answer without one is
// a good one, for which its body has to speak.
func (h *header) readStatus(in *bufio.Reader) error {
	for {
		start, err := in.Peek(len("HTTP/"))
		if len(start) == 0 || err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if start[0] != '\r' && start[0] != '\n' {
			break
		}
		_, _ = in.Discard(1) // which is there
	}
	start, _ := in.Peek(len("HTTP/"))
	if word := strings.ToUpper(string(start)); word != "HTTP/" && !strings.HasPrefix(word, "ICY ") {
		h.status, h.bare = http.StatusOK, true
		return nil
	}
	line, err := readLine(in)
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) > 1 && len(words[1]) == 3 {
		h.status, _ = strconv.Atoi(words[1])
	}
	if h.status < 100 {
		return malformed(line)
	}
	return nil
}

// readFields reads what follows up to a blank line. A line that is no field, or
// one that a check has no use for, is passed over.
func (h *header) readFields(in *bufio.Reader) error {
	none := new(string)
	last := none // where a line that continues the one before belongs
	for {
		line, err := readLine(in)
		if err != nil || line == "" {
			return err
		}
		if line[0] == ' ' || line[0] == '\t' {
			*last = strings.TrimSpace(*last + " " + strings.TrimSpace(line))
			continue
		}
		last = none
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		last = h.field(strings.ToLower(strings.TrimSpace(name)), none)
		*last = strings.TrimSpace(value)
	}
}

// field returns where the value of the field of a name goes.
func (h *header) field(name string, none *string) *string {
	switch {
	case name == "location" && h.location == "":
		return &h.location
	case name == "content-length":
		h.lengths = append(h.lengths, "")
		return &h.lengths[len(h.lengths)-1]
	case name == "transfer-encoding":
		h.codings = append(h.codings, "")
		return &h.codings[len(h.codings)-1]
	}
	return none
}

// lengths are those that a Content-Length may say.
var lengths = regexp.MustCompile(`^[0-9]{1,15}($|[ \t\v\f])`)

// length returns how long the body is said to be, and false if it ends with
// the connection.
func (h *header) length() (n int64, known bool) {
	for _, c := range h.lengths {
		if digits := lengths.FindString(c); digits != "" {
			n, _ = strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			known = true
		}
	}
	return n, known
}

// body returns the body of an answer to a GET or HEAD request.
func (h *header) body(in *bufio.Reader, head bool) (io.Reader, error) {
	if head || h.status == http.StatusNoContent {
		return strings.NewReader(""), nil
	}
	for _, coding := range h.codings {
		if !strings.EqualFold(coding, "chunked") {
			return nil, failure.Because(failure.Protocol, "transfer coding %q is not supported", quote.Short(coding))
		}
	}
	if len(h.codings) > 0 {
		return &chunked{in: in}, nil
	}
	n, known := h.length()
	if !known {
		return in, nil
	}
	return &measured{in: in, left: n}, nil
}

// readLine returns a line without its end. Text without one is not a line.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func malformed(line string) error {
	return failure.Because(failure.Protocol, "malformed HTTP response %q", quote.Short(line))
}

// A measured reads a part of an answer whose length is known.
type measured struct {
	in   *bufio.Reader
	left int64
}

// Read implements io.Reader. An answer that is cut has an unexpected end.
func (m *measured) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.in.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if errors.Is(err, io.EOF) && m.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// A chunked reads a body in chunks (RFC 9112 section 7.1), whose lines may end
// without a carriage return.
type chunked struct {
	in    *bufio.Reader
	chunk measured
	begun bool
	err   error
}

// Read implements io.Reader.
func (c *chunked) Read(p []byte) (int, error) {
	for c.err == nil && c.chunk.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.chunk.Read(p)
	c.err = err
	return n, err
}

// next reads up to the data of the next chunk, or behind the last one.
func (c *chunked) next() error {
	if c.begun {
		if line, err := readLine(c.in); err != nil || line != "" {
			return unexpected(err, line)
		}
	}
	c.begun = true
	line, err := readLine(c.in)
	if err != nil {
		return unexpected(err, line)
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
	if err != nil {
		return malformed(line)
	}
	if n > 0 {
		c.chunk = measured{in: c.in, left: int64(n)}
		return nil
	}
	for line != "" && err == nil { // the trailer
		line, err = readLine(c.in)
	}
	return io.EOF // nothing is missing, whatever became of the trailer
}

// unexpected is why there is no chunk where one has to be.
func unexpected(err error, line string) error {
	switch {
	case err == nil:
		return malformed(line)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// judge says whether the last answer is a good one.
func (a *answer) judge(want match.Matcher) error {
	switch {
	case a.status < 200 || a.status > 299:
		return failure.Because(failure.Status, "status %d, want 2xx", a.status)
	case want == nil || a.matched:
		return nil
	case a.bare:
		return failure.Because(failure.Mismatch, "the answer has no status line and does not match %q", want)
	case a.endless:
		return failure.Because(failure.Mismatch, "the first %d bytes of the body do not match %q", MaxBody, want)
	case a.cut != nil:
		return failure.Because(failure.Mismatch, "body does not match %q: only %d bytes of it arrived", want, a.size)
	default:
		return failure.Because(failure.Mismatch, "body does not match %q", want)
	}
}

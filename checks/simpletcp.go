package checks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

var errNoAnswer = failure.Because(Closed, "connection closed without an answer")

const untilLine = "while waiting for a line that matches"

// SimpleTCP sends target.Request without its leading slash, the two
// characters \n standing for a newline and nothing else for anything else,
// and then closes its sending direction. A request that is empty then sends
// nothing.
//
// The check succeeds with the first line of the answer that target.Receive
// matches. A line is matched with its newline; the last one may have none
// once the server has closed. Without Receive any answer will do, be it a
// single byte (ldirectord never succeeds then if the request has a \n: a
// defect). No answer at all is a failure.
//
// With target.UDP the request is one datagram, the sending direction stays as
// it is and each datagram of the answer ends with a line of its own.
func SimpleTCP(ctx context.Context, target Target) error { return simpleTCP(ctx, target) }

var simpleTCP = over("simpletcp", (*Target).overUDP, newLineSession)

// overUDP is the udp of a check over what the virtual service is for.
func (t *Target) overUDP() bool { return t.UDP }

// newLineSession returns the Session of SimpleTCP.
func newLineSession(t *Target) session.Session {
	request := []byte(payload(t.Request))
	if t.UDP {
		return &datagramSession{request: request, want: t.Receive}
	}
	return &lineSession{request: request, want: t.Receive}
}

// payload is what a request stands for.
func payload(request string) string {
	return strings.ReplaceAll(strings.TrimPrefix(request, "/"), `\n`, "\n")
}

// maxLinesAtOnce is how many lines are matched without a look at the time.
const maxLinesAtOnce = 1000

// lineAtOnce is how much of a line is matched in memory, in bytes.
const lineAtOnce = 64 << 10

// A lineSession waits for a line.
type lineSession struct {
	request []byte
	want    Matcher
	size    int            // of the answer
	part    session.Buffer // of a line
}

// Begin implements session.Session.
func (s *lineSession) Begin() session.Step {
	s.part.Release()
	s.size = 0
	return session.Step{Send: s.request, CloseWrite: true, Until: "while waiting for an answer"}
}

// Feed implements session.Session.
func (s *lineSession) Feed(b []byte, eof bool) session.Step {
	if len(b) >= MaxAnswer-s.size {
		b, eof = b[:MaxAnswer-s.size], true
	}
	s.size += len(b)
	switch {
	case s.size == 0 && eof:
		return s.done(errNoAnswer)
	case s.size > 0 && s.want == nil:
		return s.done(nil)
	}
	for range maxLinesAtOnce {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 && eof {
			n = len(b)
		} else if n == 0 {
			if !s.part.Append(b) {
				return s.rest(b, eof)
			}
			return session.Step{Until: untilLine}
		}
		line := b[:n]
		if len(s.part.Bytes()) > 0 {
			if !s.part.Append(line) {
				return s.rest(b, eof)
			}
			line = s.part.Bytes()
		}
		found, decided := false, true
		if len(line) > 0 {
			found, decided = match.Now(s.want, line)
		}
		switch {
		case found:
			return s.done(nil)
		case !decided:
			rest := slices.Concat(line, b[n:])
			s.part.Release()
			return s.rest(rest, eof)
		case n == len(b) && eof:
			return s.done(failure.Because(Mismatch, "no line of the answer matches %q", s.want))
		}
		s.part.Release()
		if b = b[n:]; len(b) == 0 {
			return session.Step{Until: untilLine}
		}
	}
	return s.rest(b, eof)
}

// rest has the rest matched where that may take its time: what is held, b, and
// what comes behind it unless that is the end.
func (s *lineSession) rest(b []byte, eof bool) session.Step {
	text := slices.Concat(s.part.Bytes(), b)
	left := int64(MaxAnswer - s.size)
	s.part.Release()
	return session.Step{Rest: func(ctx context.Context, conn io.Reader) error {
		if eof {
			left = 0
		}
		answer := io.MultiReader(bytes.NewReader(text), io.LimitReader(conn, left))
		return findLine(ctx, bufio.NewReaderSize(answer, lineAtOnce), s.want)
	}}
}

// End implements session.Session.
func (s *lineSession) End(cause error) error { return s.done(cause).Err }

func (s *lineSession) done(err error) session.Step {
	s.part.Release()
	return session.Step{Done: true, Err: err}
}

// A datagramSession waits for a datagram with a line.
type datagramSession struct {
	request []byte
	want    Matcher
}

// Begin implements session.Session.
func (s *datagramSession) Begin() session.Step {
	return session.Step{Send: s.request, Until: untilLine}
}

// Feed implements session.Session.
func (s *datagramSession) Feed(b []byte, _ bool) session.Step {
	if len(b) == 0 {
		return session.Step{}
	}
	if s.want == nil {
		return session.Step{Done: true}
	}
	lines := 0
	for line := range bytes.Lines(b) {
		found, decided := match.Now(s.want, line)
		if lines++; !decided || lines > maxLinesAtOnce {
			return s.rest(b)
		}
		if found {
			return session.Step{Done: true}
		}
	}
	return session.Step{}
}

// rest has this datagram, and those that come after it, matched where that may
// take its time.
func (s *datagramSession) rest(b []byte) session.Step {
	b = slices.Clone(b)
	return session.Step{Rest: func(ctx context.Context, conn io.Reader) error {
		lines := bufio.NewReaderSize(nil, lineAtOnce)
		for buf := make([]byte, blocking.MaxDatagram); ; {
			lines.Reset(bytes.NewReader(b))
			if findLine(ctx, lines, s.want) == nil {
				return nil
			}
			n, err := conn.Read(buf)
			if err != nil {
				return &failure.Cause{Err: err, When: untilLine}
			}
			b = buf[:n]
		}
	}}
}

// End implements session.Session.
func (s *datagramSession) End(cause error) error { return cause }

// findLine reads until a line matches or, if there is nothing to match, a byte
// has come. It leaves nothing to the collector for a line that lines has room
// for: there may be a million.
func findLine(ctx context.Context, lines *bufio.Reader, want Matcher) error {
	if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
		return errNoAnswer
	} else if err != nil {
		return &failure.Cause{Err: err, When: "while waiting for an answer"}
	}
	if want == nil {
		return nil
	}
	for {
		found, end, err := matchLine(ctx, lines, want)
		switch {
		case found || err != nil:
			return err
		case end:
			return failure.Because(Mismatch, "no line of the answer matches %q", want)
		}
	}
}

// matchLine takes the next line and reports whether it matches, and whether
// there is no other.
func matchLine(ctx context.Context, lines *bufio.Reader, want Matcher) (found, end bool, err error) {
	line, err := peekLine(lines)
	end = errors.Is(err, io.EOF)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return matchLong(ctx, lines, want)
	case err != nil && !end:
		return false, false, &failure.Cause{Err: err, When: untilLine}
	case len(line) == 0:
		return false, true, nil
	}
	found, decided := match.Now(want, line)
	if err = ctx.Err(); !decided {
		found, err = want.Match(ctx, bytes.NewReader(line))
	}
	_, _ = lines.Discard(len(line)) // which is there
	if err != nil && !found {
		return false, end, match.Interrupted(err)
	}
	return found, end, nil
}

// peekLine returns the next line, with its newline, and does not take it. An
// error of io.EOF comes with all that is left, and bufio.ErrBufferFull is that
// of a line for which there is no room.
func peekLine(lines *bufio.Reader) ([]byte, error) {
	for seen := 0; ; {
		b, _ := lines.Peek(lines.Buffered())
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			return b[:seen+i+1], nil
		}
		if seen = len(b); seen == lines.Size() {
			return nil, bufio.ErrBufferFull
		}
		if b, err := lines.Peek(seen + 1); err != nil {
			return b, err
		}
	}
}

// matchLong is matchLine for a line of any length.
func matchLong(ctx context.Context, lines *bufio.Reader, want Matcher) (found, end bool, err error) {
	line := lineReader{r: lines}
	found, err = want.Match(ctx, &line)
	if err == nil {
		_, _ = io.Copy(io.Discard, &line) // it counts when it is there; its error is kept
		err = ctx.Err()
	}
	end = errors.Is(line.err, io.EOF)
	switch {
	case line.err != nil && !end:
		return false, false, &failure.Cause{Err: line.err, When: untilLine}
	case err != nil && !found:
		return false, end, match.Interrupted(err)
	}
	return found, end, nil
}

// A lineReader reads one line of an answer, with its newline, and holds none of
// it.
type lineReader struct {
	r     *bufio.Reader
	ended bool  // the newline has come, or err
	err   error // of r; io.EOF is its end
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.ended {
		return 0, io.EOF
	}
	if _, l.err = l.r.Peek(1); l.err != nil {
		l.ended = true
		return 0, io.EOF
	}
	b, _ := l.r.Peek(min(l.r.Buffered(), len(p)))
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b, l.ended = b[:i+1], true
	}
	return l.r.Discard(copy(p, b))
}

package checks

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

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

var simpleTCP = over("simpletcp", overUDP, newLineSession)

// overUDP is the udp of a check over what the virtual service is for.
func overUDP(t *Target) bool { return t.UDP }

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
		return s.done(match.ErrNoAnswer)
	case s.size > 0 && s.want == nil:
		return s.done(nil)
	}
	for range maxLinesAtOnce {
		n := bytes.IndexByte(b, '\n') + 1
		switch {
		case n == 0 && eof:
			n = len(b)
		case n == 0 && s.part.Append(b):
			return session.Step{Until: match.UntilLine}
		case n == 0:
			return s.rest(b, eof)
		}
		line, ok := s.line(b[:n])
		if !ok {
			return s.rest(b, eof)
		}
		if step, over := s.judge(line, b[n:], eof); over {
			return step
		}
		if b = b[n:]; len(b) == 0 {
			return session.Step{Until: match.UntilLine}
		}
	}
	return s.rest(b, eof)
}

// line returns the line that ends with end. It is false if there is no room for it.
func (s *lineSession) line(end []byte) (line []byte, ok bool) {
	if len(s.part.Bytes()) == 0 {
		return end, true
	}
	ok = s.part.Append(end)
	return s.part.Bytes(), ok
}

// judge matches a line, behind which comes rest, and reports whether the
// conversation is over.
func (s *lineSession) judge(line, rest []byte, eof bool) (step session.Step, over bool) {
	found, decided := false, true
	if len(line) > 0 {
		found, decided = match.Now(s.want, line)
	}
	switch {
	case found:
		return s.done(nil), true
	case !decided:
		text := slices.Concat(line, rest)
		s.part.Release()
		return s.rest(text, eof), true
	case len(rest) == 0 && eof:
		return s.done(failure.Because(Mismatch, "no line of the answer matches %q", s.want)), true
	}
	s.part.Release()
	return session.Step{}, false
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
		return match.Line(ctx, bufio.NewReaderSize(answer, match.LineAtOnce), s.want)
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
	return session.Step{Send: s.request, Until: match.UntilLine}
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
		lines := bufio.NewReaderSize(nil, match.LineAtOnce)
		for buf := make([]byte, blocking.MaxDatagram); ; {
			lines.Reset(bytes.NewReader(b))
			if match.Line(ctx, lines, s.want) == nil {
				return nil
			}
			n, err := conn.Read(buf)
			if err != nil {
				return &failure.Cause{Err: err, When: match.UntilLine}
			}
			b = buf[:n]
		}
	}}
}

// End implements session.Session.
func (s *datagramSession) End(cause error) error { return cause }

package httpget

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/http1"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A Session is the Session of a Check: one page, and those to which it leads.
type Session struct {
	*Check
	request   []byte // for the first page
	good      func(status int) bool
	*exchange // nil but in a conversation
}

// An exchange is what a Session holds during a conversation. Its memory is
// borrowed.
type exchange struct {
	page   page // asked for now
	hops   int
	answer http1.Answer
	body
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// A body is the body of a 2xx answer, as far as it has come.
type body struct {
	judged  bool // status line and headers were good
	size    int64
	raw     int64 // with what is around its chunks
	held    session.Buffer
	matched bool
	cut     error // why the rest of it is missing
}

// NewSession returns the Session of a Check.
func NewSession(c *Check) *Session {
	return &Session{Check: c, request: c.request(c.first), good: c.good}
}

// Begin implements session.Session.
func (s *Session) Begin() session.Step {
	if s.exchange == nil {
		s.exchange = exchanges.Get().(*exchange)
	}
	s.page, s.hops, s.answer.Good = s.first, 0, s.good
	return s.ask(s.request)
}

func (s *Session) ask(request []byte) session.Step {
	s.answer.Reset(s.head)
	s.held.Release()
	s.body = body{}
	return session.Step{Send: request, Until: "while waiting for the answer"}
}

// Feed implements session.Session.
func (s *Session) Feed(b []byte, eof bool) session.Step {
	var part []byte // of the body, not held yet
	for len(b) > 0 && !s.complete() {
		n, more, err := s.answer.Feed(b)
		b = b[n:]
		if s.raw += int64(n); err != nil {
			if step, over := s.fault(err); over {
				return step
			}
		}
		if s.answer.Head() && !s.judged {
			if step, over := s.judgeHead(more, b); over {
				return step
			}
		}
		if more = s.bound(more); len(more) == 0 {
			continue
		}
		if !s.hold(part) {
			return s.rest(slices.Concat(part, more), b, eof)
		}
		part = more
	}
	if eof && !s.complete() {
		more, step, over := s.eof()
		if over || !s.answer.Head() {
			return step
		}
		part = slices.Concat(part, more)
	}
	if s.complete() {
		return s.judgeBody(part)
	}
	if !s.hold(part) {
		return s.rest(part, b, eof)
	}
	return session.Step{}
}

// eof handles the end of the connection. It returns what is body by that.
func (s *Session) eof() (more []byte, step session.Step, over bool) {
	more, err := s.answer.EOF()
	if err != nil {
		step, over = s.fault(err)
		return nil, step, over
	}
	if !s.answer.Head() {
		return nil, session.Step{}, false
	}
	if !s.judged {
		if step, over := s.judgeHead(more, nil); over {
			return nil, step, true
		}
	}
	if s.cut = io.EOF; !s.answer.Whole() {
		s.cut = io.ErrUnexpectedEOF
	}
	return s.bound(more), session.Step{}, false
}

// fault handles an error of the answer's form: in the headers it is a verdict, in
// the body the end of it.
func (s *Session) fault(err error) (session.Step, bool) {
	if errors.Is(err, session.ErrMemory) {
		return s.done(failure.Because(failure.Resource, "%w", err)), true
	}
	if !s.answer.Head() {
		return s.done(failure.Because(failure.Protocol, "%w", err)), true
	}
	s.cut = err
	return session.Step{}, false
}

// limit is how much of a body is read.
func (s *Session) limit() int64 {
	if s.receive == nil {
		return maxUnmatched
	}
	return MaxBody
}

// bound counts a part of the body, and cuts off what nobody reads.
func (s *Session) bound(part []byte) []byte {
	part = part[:min(int64(len(part)), s.limit()-s.size)]
	if s.size += int64(len(part)); s.raw > MaxBody+http1.MaxHeader && s.cut == nil {
		s.cut = io.ErrUnexpectedEOF
	}
	return part
}

func (s *Session) endless() bool { return s.size >= s.limit() }

func (s *Session) complete() bool {
	return s.judged && (s.cut != nil || s.endless() || s.answer.Finished())
}

// hold keeps a part of the body until there is all of it. It is false if there
// is no room for that.
func (s *Session) hold(part []byte) bool {
	return s.receive == nil || s.held.Append(part)
}

// judgeHead decides whether the body of an answer counts, of which some has come.
// A body is read to the end even where nothing is to be matched: a connection
// that is closed before is an error in the server's log.
func (s *Session) judgeHead(part, behind []byte) (step session.Step, over bool) {
	a := &s.answer
	s.judged = true
	switch {
	case a.Bare && (s.head || s.receive == nil):
		line, _, _ := bytes.Cut(slices.Concat(part, behind), []byte("\n"))
		return s.done(failure.Because(failure.Protocol, "%w", http1.Malformed(strings.TrimSuffix(string(line), "\r")))), true
	case !s.good(a.Status) && a.Redirects():
		return s.redirect(a.Location()), true
	case !s.good(a.Status):
		return s.done(s.unwanted(a.Status)), true
	}
	return session.Step{}, false
}

func (s *Session) redirect(location string) session.Step {
	p, err := s.page.resolve(location)
	if err == nil && s.hops == maxRedirects {
		err = failure.Because(failure.Status, "more than %d redirects, the last one to %s", maxRedirects, p)
	}
	if err != nil {
		s.page = s.first // not the page that was asked for is at fault
		return s.done(err)
	}
	s.page = p
	s.hops++
	step := s.ask(s.Check.request(p))
	step.Next = s.hop(p)
	return step
}

// judgeBody says whether a complete body is a good one, of which part is not held.
func (s *Session) judgeBody(part []byte) session.Step {
	if s.receive == nil {
		return s.done(nil)
	}
	text := part
	if len(s.held.Bytes()) > 0 {
		if !s.held.Append(part) {
			return s.rest(part, nil, true)
		}
		text, part = s.held.Bytes(), nil
	}
	found, decided := match.Now(s.receive, text)
	if !decided {
		return s.rest(part, nil, true)
	}
	s.matched = found
	return s.done(s.verdict())
}

// verdict says whether the body is a good one, once it is matched.
func (s *Session) verdict() error {
	switch want := s.receive; {
	case want == nil || s.matched:
		return nil
	case s.answer.Bare:
		return failure.Because(failure.Mismatch, "the answer has no status line and does not match %q", want)
	case s.endless():
		return failure.Because(failure.Mismatch, "the first %d bytes of the body do not match %q", MaxBody, want)
	case s.cut != nil && !errors.Is(s.cut, io.EOF):
		return failure.Because(failure.Mismatch, "body does not match %q: only %d bytes of it arrived", want, s.size)
	default:
		return failure.Because(failure.Mismatch, "body does not match %q", want)
	}
}

// End implements session.Session.
func (s *Session) End(cause error) error {
	if s.exchange == nil {
		return cause
	}
	defer func() {
		if s.exchange != nil { // the pattern panics
			s.done(cause)
		}
	}()
	if errors.Is(cause, context.Canceled) {
		return s.done(cause).Err // nobody waits for a verdict
	}
	if !s.judged {
		if f, ok := errors.AsType[*failure.Cause](cause); ok && s.overTLS(s.page) {
			f.Kind = failure.TLS // as an alert about a missing client certificate, which comes after the handshake
		}
		return s.done(cause).Err
	}
	if !s.answer.Whole() || !errors.Is(cause, io.EOF) {
		s.cut = cause
	}
	if want := s.receive; want != nil {
		var err error
		if s.matched, err = matchBriefly(want, s.held.Bytes()); err != nil {
			return s.done(match.Interrupted(cause)).Err
		}
	}
	return s.done(s.verdict()).Err
}

// done ends the conversation.
func (s *Session) done(err error) session.Step {
	if err != nil && s.page != s.first {
		err = s.redirected(s.page, err)
	}
	s.answer.Release()
	s.held.Release()
	s.answer.Good, s.body, s.page = nil, body{}, page{}
	exchanges.Put(s.exchange)
	s.exchange = nil
	return session.Step{Done: true, Err: err}
}

// brief is how long a pattern may take where nobody waits for it.
const brief = 10 * time.Millisecond

func matchBriefly(want match.Matcher, text []byte) (bool, error) {
	if found, decided := match.Now(want, text); decided {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), brief)
	defer cancel()
	return want.Match(ctx, bytes.NewReader(text))
}

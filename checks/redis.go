package checks

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A redis is the session of a Redis or Valkey server, a check of shunt's own.
// It logs in by AUTH if there is a login or a password, and then sends the
// request as a command, PING if there is none. The reply has to match, as it
// is sent: "+PONG\r\n". Without a pattern it has to begin with +PONG, or to be
// no error if there is a request.
//
// An error is never well, whatever the pattern: a server that loads its data
// (LOADING), a replica without its master (MASTERDOWN) and one that wants a
// login (NOAUTH) say so.
type redis struct {
	login   []byte // the command, empty if there is none
	command string
	want    Matcher
	secret  string

	loggingIn bool
	said      []byte
	answer    session.Buffer
	from, at  int // where the reply begins in answer, and where reading goes on
	left      int // values of the reply that are still to come
	bulk      int // bytes of the string that is being read, with its line end
}

func newRedis(t *Target) session.Session {
	s := &redis{command: strings.TrimPrefix(t.Request, "/"), want: t.Receive, secret: t.Passwd}
	if t.Login != "" || t.Passwd != "" {
		words := []string{"AUTH", t.Passwd}
		if t.Login != "" {
			words = []string{"AUTH", t.Login, t.Passwd}
		}
		s.login = redisCommand(words)
	}
	return s
}

// redisCommand is a command whose words may be of any bytes.
func redisCommand(words []string) []byte {
	b := strconv.AppendInt([]byte{'*'}, int64(len(words)), 10)
	for _, w := range words {
		b = strconv.AppendInt(append(b, "\r\n$"...), int64(len(w)), 10)
		b = append(append(b, "\r\n"...), w...)
	}
	return append(b, "\r\n"...)
}

// Begin implements session.Session.
func (s *redis) Begin() session.Step {
	s.answer.Release()
	s.said = s.said[:0]
	s.from, s.at, s.left, s.bulk = 0, 0, 1, 0
	if s.loggingIn = len(s.login) > 0; s.loggingIn {
		return session.Step{Send: s.login, Until: "while waiting for the reply to AUTH"}
	}
	return s.ask()
}

func (s *redis) ask() session.Step {
	s.said = append(append(s.said, s.name()...), "\r\n"...)
	return session.Step{Send: s.said, Until: "while waiting for the reply to the request"}
}

func (s *redis) name() string {
	switch {
	case s.loggingIn:
		return "AUTH"
	case s.command == "":
		return "PING"
	}
	return s.command
}

// Feed implements session.Session.
func (s *redis) Feed(b []byte, _ bool) session.Step {
	s.said = s.said[:0]
	step := s.take(b)
	step.Send = s.said
	return step
}

// take reads the replies that b completes.
func (s *redis) take(b []byte) (step session.Step) {
	fits := min(len(b), session.MaxHeld-len(s.answer.Bytes()))
	if !s.answer.Append(b[:fits]) {
		return s.done(failure.Because(Resource, "%w", session.ErrMemory))
	}
	for {
		whole, err := s.read()
		switch {
		case err != nil:
			return s.done(err)
		case !whole && fits < len(b):
			return s.done(failure.Because(Protocol, "%s: the reply has more than %d bytes", s.name(), session.MaxHeld))
		case !whole:
			return step
		}
		reply := s.answer.Bytes()[s.from:s.at]
		s.from, s.left = s.at, 1
		if !s.loggingIn {
			return s.judge(reply)
		}
		if !bytes.HasPrefix(reply, []byte("+OK")) {
			return s.done(s.refused(reply, "+OK"))
		}
		s.loggingIn = false
		step = s.ask()
	}
}

// read reads on in a reply and reports whether it is complete.
func (s *redis) read() (whole bool, err error) {
	for s.left > 0 {
		rest := s.answer.Bytes()[s.at:]
		if s.bulk > 0 {
			if len(rest) < s.bulk {
				return false, nil
			}
			s.at, s.bulk, s.left = s.at+s.bulk, 0, s.left-1
			continue
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return false, nil
		}
		s.at += end + 1
		if line := bytes.TrimSuffix(rest[:end], []byte{'\r'}); !s.value(line) {
			return false, failure.Because(Protocol, "%s %s, want a reply of Redis", s.name(), quote.Quoted(line, s.secret))
		}
	}
	return true, nil
}

// value reads the line that a value begins with, and reports whether it is
// one.
func (s *redis) value(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	switch line[0] {
	case '+', '-', ':':
		s.left--
		return true
	case '$', '*':
	default:
		return false
	}
	n, err := strconv.Atoi(string(line[1:]))
	switch {
	case err != nil || n < -1 || n > 1<<30:
		return false
	case n < 0:
		s.left-- // null
	case line[0] == '$':
		s.bulk = n + len("\r\n")
	default:
		s.left += n - 1
	}
	return true
}

// judge says what the reply to the request is worth.
func (s *redis) judge(reply []byte) session.Step {
	switch {
	case reply[0] == '-':
		return s.done(s.refused(reply, s.wanted()))
	case s.want == nil && s.command == "" && !bytes.HasPrefix(reply, []byte("+PONG")):
		return s.done(s.refused(reply, "+PONG"))
	case s.want == nil:
		return s.done(nil)
	}
	matched, decided := match.Now(s.want, reply)
	if decided {
		return s.done(s.mismatch(matched))
	}
	reply = slices.Clone(reply)
	s.answer.Release()
	return session.Step{Rest: func(ctx context.Context, _ io.Reader) error {
		matched, err := s.want.Match(ctx, bytes.NewReader(reply))
		if err != nil {
			return match.Interrupted(err)
		}
		return s.mismatch(matched)
	}}
}

func (s *redis) mismatch(matched bool) error {
	if matched {
		return nil
	}
	return failure.Because(Mismatch, "reply to %s does not match %q", s.name(), s.want)
}

func (s *redis) wanted() string {
	if s.command == "" && s.want == nil {
		return "+PONG"
	}
	return "no error"
}

// refused is the verdict about a reply that is not the one wanted.
func (s *redis) refused(reply []byte, want string) error {
	code, _, _ := bytes.Cut(bytes.TrimSpace(reply), []byte{' '})
	kind := Status
	switch {
	case reply[0] != '-':
		kind = Mismatch
	case slices.Contains([]string{"-NOAUTH", "-WRONGPASS", "-NOPERM"}, string(code)):
		kind = Auth
	case s.loggingIn && string(code) == "-ERR":
		kind = Auth
	}
	return failure.Because(kind, "%s %s, want %s", s.name(), quote.Quoted(bytes.TrimSpace(reply), s.secret), want)
}

// End implements session.Session.
func (s *redis) End(cause error) error { return s.done(cause).Err }

func (s *redis) done(err error) session.Step {
	s.answer.Release()
	return session.Step{Done: true, Err: err}
}

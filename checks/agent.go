package checks

import (
	"bytes"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// Agent asks an agent beside the real server about its state: one line of text
// over TCP, as haproxy's agent-check has it. It sends target.Request without its
// leading slash, which is nothing if there is none. down, fail and stopped are a
// failure; what else the line says goes into target.Note.
var Agent = over("agent", func(*Target) bool { return false }, newAgentSession)

// An agentSession is the Session of Agent.
type agentSession struct {
	request []byte
	note    *Note
	line    []byte
}

func newAgentSession(t *Target) session.Session {
	return &agentSession{request: []byte(payload(t.Request)), note: t.Note}
}

// Begin implements session.Session.
func (s *agentSession) Begin() session.Step {
	s.line = s.line[:0]
	return session.Step{Send: s.request, Until: "while waiting for the agent's line"}
}

// Feed implements session.Session.
func (s *agentSession) Feed(b []byte, eof bool) session.Step {
	part, _, whole := cutLine(b)
	if len(s.line)+len(part) > maxAgentLine {
		return session.Step{Done: true, Err: failure.Because(Protocol, "the agent's line has more than %d bytes", maxAgentLine)}
	}
	s.line = append(s.line, part...)
	switch {
	case whole || eof && len(s.line) > 0:
		return session.Step{Done: true, Err: readAgentLine("the agent", string(s.line), s.note)}
	case eof:
		return session.Step{Done: true, Err: errNoAnswer}
	}
	return session.Step{}
}

// End implements session.Session.
func (s *agentSession) End(cause error) error { return cause }

// cutLine cuts b at the end of its first line.
func cutLine(b []byte) (line, rest []byte, whole bool) {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

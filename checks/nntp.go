package checks

import (
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// An nntp is the session of a news server (RFC 3977, section 5.1). The first
// byte of the greeting is its verdict, as in ldirectord: 2 is well, be it the
// only one. The rest of the line is read for the words of a failure alone.
type nntp struct {
	textproto.Dialogue
	begun bool
}

func newNNTP(*Target) session.Session {
	s := &nntp{}
	s.Speaker = s
	return s
}

func (s *nntp) Start() {
	s.begun = false
	s.Await(textproto.UntilGreeting)
}

// Feed implements session.Session.
func (s *nntp) Feed(b []byte, eof bool) session.Step {
	if !s.begun && len(b) > 0 && b[0] == '2' {
		return session.Step{Send: quitLine, Done: true}
	}
	s.begun = s.begun || len(b) > 0
	return s.Dialogue.Feed(b, eof)
}

func (s *nntp) Line(line []byte) {
	s.Finish(failure.Because(textproto.CodeKind(line), "greeting %s, want 2xx", quote.Quoted(line)))
}

var quitLine = []byte("QUIT\r\n")

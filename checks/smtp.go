package checks

import (
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// An smtp is the session of a mail server (RFC 5321): a greeting of 2xx, EHLO,
// or HELO if EHLO is refused with 5xx, and QUIT, which may fail. Of a reply of
// several lines the code of the last one counts. ldirectord takes `220mail`
// and `2200 mail` for 220; neither is a reply here.
type smtp struct {
	textproto.Dialogue
	what string // the reply that is waited for
}

func newSMTP(*Target) session.Session {
	s := &smtp{}
	s.Speaker = s
	return s
}

func (s *smtp) Start() {
	s.what = "greeting"
	s.Await(textproto.UntilGreeting)
}

func (s *smtp) Line(line []byte) {
	code, more, ok := textproto.ReplyCode(line)
	switch {
	case ok && more:
	case ok && code/100 == 2:
		s.accepted()
	case ok && code/100 == 5 && s.what == "EHLO":
		s.what = "HELO"
		s.Say("while waiting for the reply to HELO", "HELO", clientName)
	default:
		s.Finish(failure.Because(textproto.CodeKind(line), "%s %s, want 2xx", s.what, quote.Quoted(line)))
	}
}

func (s *smtp) accepted() {
	if s.what == "greeting" {
		s.what = "EHLO"
		s.Say("while waiting for the reply to EHLO", "EHLO", clientName)
		return
	}
	s.Say("", "QUIT")
	s.Finish(nil)
}

// clientName is the name by which ldirectord introduces itself, so that what
// a mail server thinks of it is known.
const clientName = "localhost.localdomain"

package checks

import (
	"bytes"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// An imap is the session of a mailbox server (RFC 9051): a greeting of OK or
// PREAUTH, LOGIN if there is a login, and LOGOUT, which has to be answered, or
// the connection closed: a server that hangs there is not well.
//
// Beside ldirectord's defects (it checks port 143 whatever the file says, and
// no IPv6 address) it does not ask for EXPUNGE, whose answer does not matter.
type imap struct {
	textproto.Dialogue
	login, passwd string // as they are sent
	secret        string
	state         imapState
}

// An imapState is what the session waits for.
type imapState int

const (
	imapGreeting imapState = iota
	imapLogin
	imapLogout
)

func newIMAP(t *Target) session.Session {
	s := &imap{secret: t.Passwd}
	if t.Login != "" {
		s.login, s.passwd = imapString(t.Login), imapString(t.Passwd)
	}
	s.Speaker = s
	return s
}

// imapString is text as a quoted string (RFC 9051, section 4.3). A directive
// has no control characters.
func imapString(text string) string {
	quoted := []byte{'"'}
	for _, c := range []byte(text) {
		if c == '"' || c == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, c)
	}
	return string(append(quoted, '"'))
}

func (s *imap) Start() {
	s.state = imapGreeting
	s.Await(textproto.UntilGreeting)
}

func (s *imap) Line(line []byte) {
	switch untagged := bytes.HasPrefix(line, []byte("* ")); s.state {
	case imapGreeting:
		s.greeted(line)
	case imapLogin:
		switch {
		case textproto.HasPrefix(line, "* BYE"):
			s.Finish(failure.Because(Status, "LOGIN %s, want OK", s.quoted(line)))
		case !untagged:
			s.loggedIn(line)
		}
	case imapLogout:
		if !untagged {
			s.Finish(nil)
		}
	}
}

func (s *imap) greeted(line []byte) {
	switch {
	case !textproto.HasPrefix(line, "* OK") && !textproto.HasPrefix(line, "* PREAUTH"):
		kind := Protocol
		if textproto.HasPrefix(line, "* BYE") || textproto.HasPrefix(line, "* NO") || textproto.HasPrefix(line, "* BAD") {
			kind = Status
		}
		s.Finish(failure.Because(kind, "greeting %s, want * OK", s.quoted(line)))
	case s.login == "":
		s.logOut()
	default:
		s.state = imapLogin
		s.Say("while waiting for the answer to LOGIN", "a1 LOGIN", s.login, s.passwd)
	}
}

func (s *imap) loggedIn(line []byte) {
	answer, ok := bytes.CutPrefix(line, []byte("a1 "))
	switch {
	case !ok:
		s.Finish(failure.Because(Protocol, "LOGIN %s, want a1 OK", s.quoted(line)))
	case textproto.HasPrefix(answer, "OK"):
		s.logOut()
	default:
		s.Finish(failure.Because(textproto.LoginKind(line), "LOGIN %s, want OK", s.quoted(answer)))
	}
}

func (s *imap) logOut() {
	s.state, s.Parting = imapLogout, true
	s.Say("while waiting for the answer to LOGOUT", "a2 LOGOUT")
}

func (s *imap) quoted(line []byte) string { return quote.Quoted(line, s.passwd, s.secret) }

package checks

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// A pop is the session of a mailbox server (RFC 1939). Without a login its
// greeting is the verdict: +OK, in any case and whatever follows. ldirectord
// calls every server well then, even one that is not there, which is a defect.
//
// With one it logs in: by CRAM-MD5 if CAPA offers it (RFC 2195), by APOP if
// the greeting has a stamp, and by USER and PASS if neither was accepted. STAT
// and QUIT may be refused, but they have to be answered, or the connection
// closed: a server that hangs there is not well.
type pop struct {
	textproto.Dialogue
	login, passwd string
	state         popState
	stamp         []byte // of the greeting, for APOP
	cram          bool   // CAPA offers CRAM-MD5
	refused       []byte // what was said to the last way that was not accepted
}

// A popState is what the session waits for.
type popState int

const (
	popGreeting popState = iota
	popCAPA
	popList // the rest of the answer to CAPA
	popAUTH
	popDigest // the answer to that of the challenge
	popAPOP
	popUSER
	popPASS
	popSTAT
	popQUIT
)

// popAnswers are their names, and the words of a timeout.
var popAnswers = [...]struct{ name, until string }{
	{"greeting", textproto.UntilGreeting},
	{"CAPA", "while waiting for the answer to CAPA"},
	{"CAPA", "while waiting for the end of the answer to CAPA"},
	{"AUTH", "while waiting for the answer to AUTH"},
	{"AUTH", "while waiting for the answer to AUTH"},
	{"APOP", "while waiting for the answer to APOP"},
	{"USER", "while waiting for the answer to USER"},
	{"PASS", "while waiting for the answer to PASS"},
	{"STAT", "while waiting for the answer to STAT"},
	{"QUIT", "while waiting for the answer to QUIT"},
}

func newPOP(t *Target) session.Session {
	s := &pop{login: t.Login, passwd: t.Passwd}
	s.Speaker = s
	return s
}

func (s *pop) Start() {
	s.stamp, s.cram, s.refused = s.stamp[:0], false, s.refused[:0]
	s.await(popGreeting)
}

func (s *pop) await(state popState) {
	s.state = state
	s.Await(popAnswers[state].until)
}

// ask sends the command of a state.
func (s *pop) ask(state popState, argument ...string) {
	s.state = state
	s.Say(popAnswers[state].until, popAnswers[state].name, argument...)
}

func (s *pop) Line(line []byte) {
	accepted := bytes.HasPrefix(line, []byte("+OK"))
	switch s.state {
	case popGreeting:
		s.greeted(line)
	case popCAPA:
		if !accepted {
			s.logIn()
			return
		}
		s.await(popList)
	case popList:
		s.capability(line)
	case popAUTH:
		s.challenged(line)
	case popSTAT:
		s.ask(popQUIT)
	case popQUIT:
		s.Finish(nil)
	default:
		s.answered(line, accepted)
	}
}

func (s *pop) greeted(line []byte) {
	switch {
	case len(line) < 3 || !bytes.EqualFold(line[:3], []byte("+OK")):
		kind := Protocol
		if bytes.HasPrefix(line, []byte("-ERR")) {
			kind = Status
		}
		s.Finish(failure.Because(kind, "greeting %s, want +OK", quote.Quoted(line, s.passwd)))
	case s.login == "":
		s.Parting = true
		s.ask(popQUIT)
	default:
		s.stamp = append(s.stamp, stamp(line)...)
		s.ask(popCAPA)
	}
}

// stamp is the part of a greeting that APOP needs (RFC 1939, section 7).
func stamp(greeting []byte) []byte {
	from := bytes.IndexByte(greeting, '<')
	to := bytes.IndexByte(greeting, '>')
	if from < 0 || to < from || !bytes.Contains(greeting[from:to], []byte("@")) {
		return nil
	}
	return greeting[from : to+1]
}

func (s *pop) capability(line []byte) {
	s.cram = s.cram || bytes.Contains(line, []byte("CRAM-MD5"))
	if string(line) == "." {
		s.logIn()
	}
}

// logIn begins with the first of the ways that are left.
func (s *pop) logIn() {
	switch {
	case s.cram:
		s.cram = false
		s.ask(popAUTH, "CRAM-MD5")
	case len(s.stamp) > 0:
		digest := md5.Sum(append(s.stamp, s.passwd...))
		s.stamp = s.stamp[:0]
		s.ask(popAPOP, s.login, hex.EncodeToString(digest[:]))
	default:
		s.ask(popUSER, s.login)
	}
}

// challenged answers the challenge of CRAM-MD5.
func (s *pop) challenged(line []byte) {
	text, ok := bytes.CutPrefix(line, []byte("+ "))
	challenge, err := base64.StdEncoding.DecodeString(string(text))
	if !ok || err != nil {
		s.logIn()
		return
	}
	mac := hmac.New(md5.New, []byte(s.passwd))
	mac.Write(challenge)
	s.state = popDigest
	s.Say(popAnswers[popDigest].until, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %x", s.login, mac.Sum(nil))))
}

// answered goes on from a step of logging in.
func (s *pop) answered(line []byte, accepted bool) {
	switch {
	case accepted && s.state == popUSER:
		s.ask(popPASS, s.passwd)
	case accepted:
		s.Parting = true
		s.ask(popSTAT)
	case s.state == popDigest || s.state == popAPOP:
		s.refused = append(s.refused[:0], line...)
		s.logIn()
	default:
		s.Finish(failure.Because(textproto.LoginKind(line), "%s %s, want +OK", popAnswers[s.state].name, quote.Quoted(line, s.passwd)))
	}
}

// End implements session.Session. Servers take their time after a login that
// they have refused: then that is the reason, and not the time.
func (s *pop) End(cause error) error {
	if len(s.refused) > 0 && !s.Parting {
		return failure.Because(textproto.LoginKind(s.refused), "login refused, %s", quote.Quoted(s.refused, s.passwd))
	}
	return s.Dialogue.End(cause)
}

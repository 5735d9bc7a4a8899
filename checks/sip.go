package checks

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// SIP asks for OPTIONS (RFC 3261, section 11), over UDP where the virtual
// service is a UDP one. The real server is well if it answers 200, whatever
// the reason phrase; provisional replies (1xx) are passed over, and so are
// replies to somebody else's request, by the branch of their Via. A reply
// that has no Via is taken for this request's.
//
// A message ends with the empty line behind its headers: a connection that
// closes before has cut it.
func SIP(ctx context.Context, target Target) error {
	return attempt(ctx, "sip", target.Addr.String(), func() error {
		network := "tcp"
		if target.UDP {
			network = "udp"
		}
		server := target.server()
		conn, err := blocking.Open(ctx, server, network, &session.Hop{Addr: target.Addr})
		if err != nil {
			return err
		}
		own, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		s := newSIP(&target, own)
		return blocking.Drive(ctx, server, conn, s, s.Begin())
	})
}

// A sip is the session of one OPTIONS. It is a session of its own: a library
// for all of SIP would bring a parser of everything, for one line and two
// headers.
type sip struct {
	udp    bool
	login  string
	own    string // the address that replies go to
	sent   []byte
	branch []byte
	lines  session.Lines
	// Of the message that is being read:
	status  []byte // its first line, empty before it has come
	code    int
	foreign bool
	body    int // bytes of it
	rest    int // bytes of the body that are still to come
}

func newSIP(t *Target, own netip.AddrPort) session.Session {
	return &sip{udp: t.UDP, login: t.Login, own: own.String()}
}

// Begin implements session.Session.
func (s *sip) Begin() session.Step {
	s.lines.Reset()
	s.rest = 0
	s.forget()
	s.branch = appendToken(append(s.branch[:0], "z9hG4bK"...)) // section 8.1.1.7
	s.request()
	return session.Step{Send: s.sent, Until: "while waiting for a reply"}
}

func (s *sip) request() {
	transport := "TCP"
	if s.udp {
		transport = "UDP"
	}
	s.sent = s.sent[:0]
	s.write("OPTIONS sip:", s.login, " SIP/2.0\r\nVia: SIP/2.0/", transport, " ", s.own, ";rport;branch=")
	s.sent = append(s.sent, s.branch...)
	s.write("\r\nMax-Forwards: 70\r\nTo: <sip:", s.login, ">\r\nFrom: <sip:", s.login, ">;tag=")
	s.sent = appendToken(s.sent)
	s.write("\r\nCall-ID: ")
	s.sent = appendToken(s.sent)
	s.write("\r\nCSeq: 1 OPTIONS\r\nContact: <sip:", s.login, ">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n")
}

func (s *sip) write(parts ...string) {
	for _, part := range parts {
		s.sent = append(s.sent, part...)
	}
}

// appendToken appends text that nobody else sends (section 19.3).
func appendToken(b []byte) []byte {
	var random [8]byte
	binary.BigEndian.PutUint64(random[:], rand.Uint64())
	return hex.AppendEncode(b, random[:])
}

// Feed implements session.Session.
func (s *sip) Feed(b []byte, _ bool) session.Step {
	for {
		skipped := min(s.rest, len(b))
		b, s.rest = b[skipped:], s.rest-skipped
		line, ok := s.lines.Next(&b)
		if !ok {
			break
		}
		if done, err := s.line(line); done {
			return session.Step{Done: true, Err: err}
		}
	}
	switch {
	case s.lines.Over():
		return session.Step{Done: true, Err: textproto.ErrTooLong}
	case s.udp:
		return s.datagramEnds()
	}
	return session.Step{}
}

// datagramEnds ends a message over UDP, which is one datagram.
func (s *sip) datagramEnds() (step session.Step) {
	if len(s.status) > 0 {
		step.Done, step.Err = true, failure.Because(Protocol, "the headers of %s do not end", quote.Quoted(s.status))
	}
	s.lines.Reset()
	s.rest = 0
	return step
}

// line reads a line of a message and reports whether the conversation is over.
func (s *sip) line(line []byte) (done bool, err error) {
	switch {
	case len(s.status) == 0 && len(line) == 0:
		return false, nil // section 7.5
	case len(s.status) == 0:
		return s.begins(line)
	case len(line) > 0:
		s.header(line)
		return false, nil
	}
	return s.ends()
}

func (s *sip) begins(line []byte) (done bool, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("SIP/2.0 "))
	code, _, isCode := textproto.ReplyCode(rest)
	if !ok || !isCode {
		return true, failure.Because(Protocol, "reply %s, want SIP/2.0 200", quote.Quoted(line))
	}
	s.status, s.code = append(s.status, line...), code
	return false, nil
}

// header looks at the two headers that matter. Each has a short form.
func (s *sip) header(line []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch name = bytes.TrimRight(name, " \t"); {
	case is(name, "Via", "v"):
		s.foreign = s.foreign || !bytes.Contains(value, s.branch)
	case is(name, "Content-Length", "l"):
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31); err == nil {
			s.body = int(n)
		}
	}
}

func is(name []byte, long, short string) bool {
	return bytes.EqualFold(name, []byte(long)) || bytes.EqualFold(name, []byte(short))
}

// ends judges a message whose headers are complete.
func (s *sip) ends() (done bool, err error) {
	mine, code := !s.foreign, s.code
	switch {
	case mine && code == 200:
		return true, nil
	case mine && code >= 200:
		return true, failure.Because(Status, "reply %s, want SIP/2.0 200", quote.Quoted(s.status))
	}
	s.rest = s.body
	s.forget()
	return false, nil
}

func (s *sip) forget() { s.status, s.code, s.foreign, s.body = s.status[:0], 0, false, 0 }

// End implements session.Session.
func (s *sip) End(cause error) error { return cause }

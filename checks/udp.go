package checks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/services"
)

// A udp is the session of a service over UDP of which nothing else is known, a
// check of shunt's own: the request goes out as one datagram (see
// services.Payload), and the first one that comes back has to match. Without a
// pattern any will do, be it empty. That nobody listens is known if the real
// server's machine says so (ICMP), and else by its silence.
type udp struct {
	request []byte
	bad     error
	want    Matcher
}

func newUDP(t *Target) session.Session {
	request, err := services.Payload(t.Request)
	if err != nil {
		err = fmt.Errorf("request cannot be sent: %w", err)
	}
	return &udp{request: request, bad: err, want: t.Receive}
}

// Begin implements session.Session.
func (s *udp) Begin() session.Step {
	return session.Step{Send: s.request, Until: "while waiting for a reply", Done: s.bad != nil, Err: s.bad}
}

// Feed implements session.Session.
func (s *udp) Feed(b []byte, _ bool) session.Step {
	if s.want == nil {
		return session.Step{Done: true}
	}
	matched, decided := match.Now(s.want, b)
	if decided {
		return session.Step{Done: true, Err: s.verdict(matched, b)}
	}
	b = slices.Clone(b)
	return session.Step{Rest: func(ctx context.Context, _ io.Reader) error {
		matched, err := s.want.Match(ctx, bytes.NewReader(b))
		if err != nil {
			return match.Interrupted(err)
		}
		return s.verdict(matched, b)
	}}
}

func (s *udp) verdict(matched bool, b []byte) error {
	if matched {
		return nil
	}
	return failure.Because(Mismatch, "reply %s does not match %q", quote.Quoted(b), s.want)
}

// End implements session.Session.
func (s *udp) End(cause error) error { return cause }

// byDatagrams says of every target that it is checked over UDP, see over.
func byDatagrams(*Target) bool { return true }

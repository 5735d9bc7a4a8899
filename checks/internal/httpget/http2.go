package httpget

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"golang.org/x/net/http2"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/http1"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/trace"
)

// AskByHTTP2 asks for page after page by HTTP/2 (RFC 9113) until an answer is no
// redirect. Over TLS the real server has to choose h2, without TLS it has to know
// that the connection begins so. It is done by frames and not by a Transport,
// which has goroutines whose end cannot be waited for.
func (c *Check) AskByHTTP2(ctx context.Context, server *dial.Server) error {
	p := c.first
	for range maxRedirects + 1 {
		location, err := c.ask2(ctx, server, p)
		if err != nil && p != c.first {
			return c.redirected(p, err)
		}
		if err != nil || location == "" {
			return err
		}
		if p, err = p.resolve(location); err != nil {
			return err
		}
	}
	return failure.Because(failure.Status, "more than %d redirects, the last one to %s", maxRedirects, p)
}

// ask2 asks for p. It returns where a redirect leads, or else the verdict.
func (c *Check) ask2(ctx context.Context, server *dial.Server, p page) (location string, err error) {
	hop := c.hop(p)
	if hop.TLS != nil {
		hop.TLS.NextProtos = []string{http2.NextProtoTLS}
	}
	conn, err := blocking.Open(ctx, server, "tcp", hop)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	conn = untraced(conn)
	if !chosen2(conn) {
		return "", failure.Because(failure.Protocol, "the real server does not choose HTTP/2 in the TLS handshake")
	}
	server.Trace.Note(trace.Noted, "ask for %s by HTTP/2", p)
	s := newStream(conn)
	if err := s.ask(c, p); err != nil {
		return "", err
	}
	if err := s.readHead(); err != nil {
		return "", err
	}
	server.Trace.Note(trace.Noted, "answered with status %d", s.status)
	switch {
	case c.good(s.status):
		return "", c.judge2(ctx, s, server.Trace)
	case http1.Redirects(s.status) && s.location != "":
		return s.location, nil
	}
	return "", c.unwanted(s.status)
}

// untraced ends the recording of a connection: what follows is no text, and
// secrets in it could not be masked.
func untraced(conn net.Conn) net.Conn {
	if l, ok := conn.(*dial.Link); ok {
		if t, ok := l.Conn.(*trace.Conn); ok {
			t.Quiet()
		}
	}
	if t, ok := conn.(*trace.Conn); ok {
		t.Quiet()
		return t.Conn
	}
	return conn
}

// chosen2 reports whether a connection over TLS is one of HTTP/2.
func chosen2(conn net.Conn) bool {
	t, ok := conn.(*tls.Conn)
	return !ok || t.ConnectionState().NegotiatedProtocol == http2.NextProtoTLS
}

// A bodyTrace records what is written to it as received.
type bodyTrace struct{ *trace.Trace }

// Write implements io.Writer.
func (t bodyTrace) Write(b []byte) (int, error) {
	t.Data(trace.Received, b)
	return len(b), nil
}

// judge2 says whether the body of s is a good one. It is read to its end.
func (c *Check) judge2(ctx context.Context, s *stream, t *trace.Trace) (err error) {
	want, body := c.receive, &io.LimitedReader{R: io.TeeReader(s, bodyTrace{t}), N: MaxBody}
	matched := want == nil
	if want == nil {
		body.N = maxUnmatched
	} else if matched, err = want.Match(ctx, body); err != nil {
		return match.Interrupted(err)
	}
	_, _ = io.Copy(io.Discard, body) // its error is the end of the body
	switch {
	case matched:
		return nil
	case body.N == 0:
		return failure.Because(failure.Mismatch, "the first %d bytes of the body do not match %q", MaxBody, want)
	case !s.ended:
		return failure.Because(failure.Mismatch, "body does not match %q: only %d bytes of it arrived", want, MaxBody-body.N)
	}
	return failure.Because(failure.Mismatch, "body does not match %q", want)
}

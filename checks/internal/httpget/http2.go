package httpget

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

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
func (v *Visit) AskByHTTP2(ctx context.Context, server *dial.Server) error {
	p := v.first
	for range maxRedirects + 1 {
		location, err := v.ask2(ctx, server, p)
		if err != nil && p != v.first {
			return v.redirected(p, err)
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
func (v *Visit) ask2(ctx context.Context, server *dial.Server, p page) (location string, err error) {
	hop := v.hop(p)
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
	if err := s.ask(v, p); err != nil {
		return "", err
	}
	if err := s.readHead(); err != nil {
		return "", err
	}
	server.Trace.Note(trace.Noted, "answered with status %d", s.status)
	switch {
	case v.good(s.status):
		return "", v.judge2(ctx, s)
	case http1.Redirects(s.status) && s.location != "":
		return s.location, nil
	}
	return "", v.unwanted(s.status)
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

// judge2 says whether the body of s is a good one. It is read to its end.
func (v *Visit) judge2(ctx context.Context, s *stream) (err error) {
	want, body := v.receive, &io.LimitedReader{R: s, N: MaxBody}
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

// onlyStream is the number of the one request that a connection is for.
const onlyStream = 1

// maxFrame is the size of a frame that nobody may exceed who was not allowed to,
// in bytes.
const maxFrame = 16 << 10

// A stream is one request over HTTP/2, and its answer.
type stream struct {
	conn     net.Conn
	frames   *http2.Framer
	status   int
	location string
	data     []byte // of the body, not read yet
	ended    bool
}

func newStream(conn net.Conn) *stream {
	s := &stream{conn: conn, frames: http2.NewFramer(conn, conn)}
	s.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.frames.MaxHeaderListSize = http1.MaxHeader
	s.frames.SetMaxReadFrameSize(maxFrame)
	return s
}

// ask sends the request for p. The real server may send all that is read of a
// body without being asked for more.
func (s *stream) ask(v *Visit, p page) error {
	var out, head bytes.Buffer
	out.WriteString(http2.ClientPreface)
	fr, enc := http2.NewFramer(&out, nil), hpack.NewEncoder(&head)
	method := http.MethodGet
	if v.head {
		method = http.MethodHead
	}
	field := func(name, value string) {
		_ = enc.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value})
	} // into memory
	field(":method", method)
	field(":scheme", p.scheme)
	field(":authority", p.host)
	field(":path", p.target)
	for name, value := range v.fields(p) {
		field(name, value)
	}
	err := errors.Join(
		fr.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: MaxBody},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: http1.MaxHeader}),
		fr.WriteWindowUpdate(0, MaxBody),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: onlyStream, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true}))
	if err == nil {
		_, err = s.conn.Write(out.Bytes())
	}
	if err != nil {
		return &failure.Cause{Err: err, When: "while sending the request"}
	}
	return nil
}

// readHead reads up to the body of the final answer.
func (s *stream) readHead() error {
	for s.status == 0 {
		f, err := s.next()
		if err != nil {
			return err
		}
		h, ok := f.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		if h.Truncated {
			return failure.Because(failure.Protocol, "headers of more than %d bytes", http1.MaxHeader)
		}
		n, err := strconv.Atoi(h.PseudoValue("status"))
		if err != nil || n < 100 || n > 999 {
			return failure.Because(failure.Protocol, "an answer without a status")
		}
		if n < 200 {
			continue // it is not final
		}
		s.status = n
		for _, field := range h.RegularFields() {
			if field.Name == "location" && s.location == "" {
				s.location = field.Value
			}
		}
	}
	return nil
}

// Read reads the body.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.data) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		f, err := s.next()
		if err != nil {
			return 0, err
		}
		if d, ok := f.(*http2.DataFrame); ok && d.StreamID == onlyStream {
			s.data = d.Data()
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// next reads a frame, and answers those that want an answer.
func (s *stream) next() (http2.Frame, error) {
	f, err := s.frames.ReadFrame()
	if err != nil {
		return nil, unframed(err)
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			err = s.frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			err = s.frames.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		s.ended = s.ended || f.StreamID == onlyStream && f.StreamEnded()
	case *http2.DataFrame:
		s.ended = s.ended || f.StreamID == onlyStream && f.StreamEnded()
	case *http2.RSTStreamFrame:
		return nil, failure.Because(failure.Closed, "the request was reset: %s", f.ErrCode)
	case *http2.GoAwayFrame:
		if f.LastStreamID < onlyStream || f.ErrCode != http2.ErrCodeNo {
			return nil, failure.Because(failure.Closed, "the real server goes away: %s", f.ErrCode)
		}
	}
	if err != nil {
		return nil, &failure.Cause{Err: err, When: "while waiting for the answer"}
	}
	return f, nil
}

// unframed is why there is no frame.
func unframed(err error) error {
	stream, isStream := errors.AsType[http2.StreamError](err)
	conn, isConn := errors.AsType[http2.ConnectionError](err)
	switch {
	case isStream:
		return failure.Because(failure.Protocol, "what came is not HTTP/2: %s", stream.Code)
	case isConn:
		return failure.Because(failure.Protocol, "what came is not HTTP/2: %s", http2.ErrCode(conn))
	case errors.Is(err, http2.ErrFrameTooLarge):
		return failure.Because(failure.Protocol, "what came is not HTTP/2")
	}
	return &failure.Cause{Err: err, When: "while waiting for the answer"}
}

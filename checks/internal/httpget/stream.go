package httpget

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/http1"
)

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
func (s *stream) ask(c *Check, p page) error {
	var out, head bytes.Buffer
	out.WriteString(http2.ClientPreface)
	fr, enc := http2.NewFramer(&out, nil), hpack.NewEncoder(&head)
	method := http.MethodGet
	if c.head {
		method = http.MethodHead
	}
	field := func(name, value string) {
		_ = enc.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value})
	} // into memory
	field(":method", method)
	field(":scheme", p.scheme)
	field(":authority", p.host)
	field(":path", p.target)
	for name, value := range c.fields(p) {
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

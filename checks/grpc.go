package checks

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/library"
)

const (
	grpcMost   = 64 << 10 // bytes that are read, less than the window that the real server has
	grpcFrame  = 16 << 10 // of one frame: the least that HTTP/2 allows
	grpcHeader = 8 << 10  // of header fields
	grpcPrefix = 5        // bytes before a message: compressed or not, and its length
)

// GRPC asks the health service of gRPC (grpc.health.v1.Health/Check) for the
// service target.Request without its leading slash, for the whole server if
// that is empty, by HTTP/2 without TLS. The check succeeds if the answer is
// SERVING. target.VirtualHost is the authority if it is set, else the address.
func GRPC(ctx context.Context, target Target) error {
	return attempt(ctx, "grpc", target.Addr.String(), func() error {
		return library.Connect(ctx, target.server(), grpcMost, nil, func(w *library.Conn) error {
			c := newHealthCall(&target, w)
			target.Trace.Note(TraceNoted, "asks for the health of %q", strings.TrimPrefix(target.Request, "/"))
			if err := c.send(ctx); err != nil {
				return &failure.Cause{Err: err, When: "while sending the request"}
			}
			return c.receive()
		})
	})
}

// A healthCall is one call on a connection of its own: its stream is 1.
type healthCall struct {
	target *Target
	conn   *library.Conn
	framer *http2.Framer
	heard  bool // the real server speaks HTTP/2
	fields map[string]string
	body   []byte
}

func newHealthCall(t *Target, w *library.Conn) *healthCall {
	c := &healthCall{target: t, conn: w, framer: http2.NewFramer(w, w)}
	c.framer.SetMaxReadFrameSize(grpcFrame)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	c.framer.MaxHeaderListSize = grpcHeader
	return c
}

// send sends the preface, and the request behind it without waiting (RFC 9113,
// section 3.4).
func (c *healthCall) send(ctx context.Context) error {
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, nil)
	err := errors.Join(
		framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.header(ctx), EndHeaders: true}),
		framer.WriteData(1, true, c.message()),
	)
	if err != nil {
		return err
	}
	_, err = c.conn.Write(out.Bytes())
	return err
}

func (c *healthCall) header(ctx context.Context) []byte {
	authority := c.target.VirtualHost
	if authority == "" {
		authority = c.target.Addr.String()
	}
	fields := []string{
		":method", "POST", ":scheme", "http", ":path", "/grpc.health.v1.Health/Check", ":authority", authority,
		"te", "trailers", "content-type", "application/grpc", "user-agent", "shunt",
	}
	if deadline, ok := ctx.Deadline(); ok {
		fields = append(fields, "grpc-timeout", strconv.FormatInt(max(1, min(time.Until(deadline).Milliseconds(), 99_999_999)), 10)+"m")
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // into memory
	}
	return block.Bytes()
}

// message is a HealthCheckRequest: field 1 is the service.
func (c *healthCall) message() []byte {
	var m []byte
	if service := strings.TrimPrefix(c.target.Request, "/"); service != "" {
		m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), service)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// receive reads frames until the stream ends.
func (c *healthCall) receive() error {
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return c.broken(err)
		}
		c.heard = true
		if done, err := c.take(f); done || err != nil {
			return err
		}
	}
}

// broken says why no frame could be read.
func (c *healthCall) broken(err error) error {
	err = c.conn.Why(err, "while waiting for the reply")
	if r, ok := errors.AsType[*failure.Reason](err); ok && !c.heard {
		return failure.Because(Protocol, "the answer is not HTTP/2: %w", r)
	}
	return err
}

// take handles a frame, and reports whether the call is over.
func (c *healthCall) take(f http2.Frame) (done bool, err error) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.framer.WriteSettingsAck() // what comes next says whether it could be sent
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < 1 {
			return true, failure.Because(Closed, "the real server ends the connection: %s", f.ErrCode)
		}
	case *http2.RSTStreamFrame:
		return true, failure.Because(Closed, "the real server ends the call: %s", f.ErrCode)
	case *http2.MetaHeadersFrame:
		if f.Truncated {
			return true, failure.Because(Protocol, "header fields of more than %d bytes", grpcHeader)
		}
		c.keep(f.Fields)
		return c.over(f.StreamEnded())
	case *http2.DataFrame:
		c.body = append(c.body, f.Data()...)
		return c.over(f.StreamEnded())
	}
	return false, nil
}

func (c *healthCall) keep(fields []hpack.HeaderField) {
	if c.fields == nil {
		c.fields = map[string]string{}
	}
	for _, f := range fields {
		c.fields[f.Name] = f.Value
	}
}

// over judges the call if it has ended.
func (c *healthCall) over(ended bool) (bool, error) {
	if !ended {
		return false, nil
	}
	status, said := c.fields["grpc-status"]
	switch {
	case !said && c.fields[":status"] != "200":
		return true, failure.Because(Status, "HTTP status %s, want 200", c.conn.Plain(c.fields[":status"]))
	case !said:
		return true, failure.Because(Protocol, "the answer is not gRPC: there is no grpc-status")
	case status != "0":
		return true, c.refused(status)
	}
	return true, c.health()
}

// refused says why a call had no answer, by a code of gRPC's.
func (c *healthCall) refused(status string) error {
	names := map[string]string{
		"5": "NOT_FOUND, there is no such service", "7": "PERMISSION_DENIED", "12": "UNIMPLEMENTED, there is no health service", "14": "UNAVAILABLE", "16": "UNAUTHENTICATED",
	}
	kind, text := Status, "gRPC status "+c.conn.Plain(status)
	if status == "7" || status == "16" {
		kind = Auth
	}
	if name := names[status]; name != "" {
		text += " " + name
	}
	if message := c.conn.Plain(c.fields["grpc-message"]); message != "" {
		text += ": " + message
	}
	return failure.Because(kind, "%s", text)
}

// health reads a HealthCheckResponse: field 1 is the status.
func (c *healthCall) health() error {
	if len(c.body) < grpcPrefix || c.body[0] != 0 || int(binary.BigEndian.Uint32(c.body[1:])) != len(c.body)-grpcPrefix {
		return failure.Because(Protocol, "the answer is not one message")
	}
	status := uint64(0)
	for m := c.body[grpcPrefix:]; len(m) > 0; {
		number, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return failure.Because(Protocol, "the message is malformed: %w", protowire.ParseError(n))
		}
		if m = m[n:]; number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(m)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, m)
		}
		if n < 0 {
			return failure.Because(Protocol, "the message is malformed: %w", protowire.ParseError(n))
		}
		m = m[n:]
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	switch {
	case status == 1:
		return nil
	case status < uint64(len(names)):
		return failure.Because(Status, "the health is %s, want SERVING", names[status])
	default:
		return failure.Because(Status, "the health is %d, want 1, SERVING", status)
	}
}

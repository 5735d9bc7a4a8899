package checks

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/trace"
)

// A Trace records what one check sent and what came back, with secrets masked.
// The zero value is ready; nil records nothing.
type Trace = trace.Trace

// A TraceEvent is one thing that a check did or was told.
type TraceEvent = trace.Event

// The kinds of what a [Trace] records.
const (
	TraceConnected = trace.Connected
	TraceTLS       = trace.TLS
	TraceSent      = trace.Sent
	TraceReceived  = trace.Received
	TraceEnded     = trace.Ended
	TraceNoted     = trace.Noted
)

// SelfSigned is how a [TraceTLS] calls a certificate that vouches for itself.
const SelfSigned = trace.SelfSigned

// note adds a line to the trace, if somebody asks for one. Checks by a library
// say so in words what they have asked for, where the bytes are no text.
func (t *Target) note(format string, args ...any) {
	if t.Trace != nil {
		t.Trace.Note(trace.Noted, format, args...)
	}
}

// traced returns conn, and has its traffic recorded if somebody asks for it.
// Connections that [Target.dial] makes are traced already.
func (t *Target) traced(conn net.Conn) net.Conn {
	if t.Trace == nil {
		return conn
	}
	t.Trace.Hide(t.Login, t.Passwd, t.Secret)
	t.Trace.Hide("", headerValues(t.Headers)...)
	return t.Trace.Over(conn)
}

// connect makes a connection, traced if somebody asks for it.
func (t *Target) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if t.Trace == nil {
		return dialer.DialContext(ctx, network, addr)
	}
	began := time.Now()
	conn, err := dialer.DialContext(ctx, network, addr)
	t.Trace.Dialed(network, addr, conn, began, err)
	if err != nil {
		return nil, err
	}
	return t.traced(conn), nil
}

// secure makes a connection one over TLS, or closes it: the handshake ends with
// l at the latest. What fails is of the kind TLS, or else what became of the
// connection. A trace has what is sent and received in the clear.
func (t *Target) secure(l *link, conf *tls.Config) (net.Conn, tls.ConnectionState, error) {
	conn := tls.Client(l, conf)
	if raw, ok := l.Conn.(*trace.Conn); ok {
		raw.Quiet()
	}
	err := conn.Handshake()
	state := conn.ConnectionState()
	t.Trace.Handshake(state, err)
	if err != nil {
		_ = conn.Close()
		return nil, state, &failure.Cause{Err: err, When: "in the TLS handshake", Kind: TLS}
	}
	return t.traced(conn), state, nil
}

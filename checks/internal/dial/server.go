// Package dial makes connections to real servers: they end with the context of
// their check, begin with a PROXY header where one is wanted, go to a VIP instead
// where a check is made by it, and are recorded if somebody asks for that.
package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/trace"
	"github.com/shunt-lb/shunt/internal/proxyheader"
)

var errNoPort = errors.New("there is no port to check: set checkport")

// Dialer leaves out what a connection of milliseconds has no use for.
var Dialer = net.Dialer{KeepAlive: -1, FallbackDelay: -1}

// A Server is a real server, and how connections to it are made.
type Server struct {
	Addr netip.AddrPort
	// ProxyProtocol is the version of the PROXY protocol that connections to Addr
	// begin with; 0 is none.
	ProxyProtocol int
	// Trace records what is sent and received; nil: nobody asks.
	Trace *trace.Trace
	// Secrets are not to be shown when the real server sends them back.
	Secrets []string
	// Instead makes connections over TCP to Addr, nil: as usual.
	Instead func(ctx context.Context) (net.Conn, error)
}

// Plain returns what a library or the real server says as one printable line,
// without the secrets.
func (s *Server) Plain(said any) string { return quote.Plain(said, s.Secrets...) }

// Reach connects to addr, over "tcp" or "udp", and says over TCP by a PROXY
// header whose connection it is, if one is wanted there.
func (s *Server) Reach(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if addr.Port() == 0 {
		return nil, errNoPort
	}
	// Not DialTCP: without a local address it binds to port 0, and then one
	// range of 28,000 ports in TIME_WAIT serves all real servers together
	// instead of each one.
	conn, err := s.way(ctx, network, addr)
	if err != nil {
		return nil, &failure.Cause{Err: err}
	}
	if h := s.Header(conn, addr); h != nil && network == "tcp" {
		if _, err := conn.Write(h); err != nil {
			_ = conn.Close()
			return nil, &failure.Cause{Err: err, When: "while sending the PROXY header"}
		}
	}
	return conn, nil
}

// way connects to addr, or goes another way instead.
func (s *Server) way(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if s.Instead == nil || network != "tcp" || addr != s.Addr {
		return s.connect(ctx, network, addr.String())
	}
	conn, err := s.Instead(ctx)
	if err != nil {
		return nil, err
	}
	return s.traced(conn), nil
}

// connect makes a connection, traced if somebody asks for it.
func (s *Server) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.Trace == nil {
		return Dialer.DialContext(ctx, network, addr)
	}
	began := time.Now()
	conn, err := Dialer.DialContext(ctx, network, addr)
	s.Trace.Dialed(network, addr, conn, began, err)
	if err != nil {
		return nil, err
	}
	return s.traced(conn), nil
}

// traced returns conn, and has its traffic recorded if somebody asks for it.
func (s *Server) traced(conn net.Conn) net.Conn {
	if s.Trace == nil {
		return conn
	}
	return s.Trace.Over(conn)
}

// Header returns what conn, a connection to addr, has to begin with. It names the
// director's own address in version 1, where servers refuse a header without
// addresses (section 2.1 of proxy-protocol.txt).
func (s *Server) Header(conn net.Conn, addr netip.AddrPort) []byte {
	switch {
	case s.ProxyProtocol == 0 || addr != s.Addr:
		return nil
	case s.ProxyProtocol == 1:
		if own, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
			return proxyheader.Append1(nil, own, addr)
		}
	}
	return proxyheader.AppendLocal(nil)
}

// A Link is a connection that ends with its context at the latest.
type Link struct {
	net.Conn
	release func() bool
}

// Dial reaches addr for longer than a moment.
func (s *Server) Dial(ctx context.Context, network string, addr netip.AddrPort) (*Link, error) {
	conn, err := s.Reach(ctx, network, addr)
	if f, ok := errors.AsType[*failure.Cause](err); ok && f.When == "" {
		f.When = "while connecting" // and not later on
	}
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(&failure.Cause{Err: err}, conn.Close())
		}
	}
	// The deadline covers the time, this covers a cancelled context and what
	// sets deadlines of its own: crypto/tls does when it says goodbye.
	return &Link{conn, context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
}

// Close ends the connection, if its context has not done so.
func (l *Link) Close() error {
	l.release()
	return l.Conn.Close()
}

// CloseWrite ends the sending direction of a stream.
func (l *Link) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Secure makes a connection one over TLS, or closes it: the handshake ends with
// l at the latest. What fails is of the kind TLS, or else what became of the
// connection. A trace has what is sent and received in the clear.
func (s *Server) Secure(l *Link, conf *tls.Config) (net.Conn, tls.ConnectionState, error) {
	conn := tls.Client(l, conf)
	if raw, ok := l.Conn.(*trace.Conn); ok {
		raw.Quiet()
	}
	err := conn.Handshake()
	state := conn.ConnectionState()
	s.Trace.Handshake(state, err)
	if err != nil {
		_ = conn.Close()
		return nil, state, &failure.Cause{Err: err, When: "in the TLS handshake", Kind: failure.TLS}
	}
	return s.traced(conn), state, nil
}

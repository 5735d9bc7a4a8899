package checks

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/internal/proxyheader"
)

var errNoPort = errors.New("there is no port to check: set checkport")

// dialer leaves out what a connection of milliseconds has no use for.
var dialer = net.Dialer{KeepAlive: -1, FallbackDelay: -1}

// reach connects to addr, over "tcp" or "udp", and says over TCP by a PROXY
// header whose connection it is, if t wants one there.
func (t *Target) reach(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if addr.Port() == 0 {
		return nil, errNoPort
	}
	// Not DialTCP: without a local address it binds to port 0, and then one
	// range of 28,000 ports in TIME_WAIT serves all real servers together
	// instead of each one.
	conn, err := t.way(ctx, network, addr)
	if err != nil {
		return nil, &failure.Cause{Err: err}
	}
	if h := t.header(conn, addr); h != nil && network == "tcp" {
		if _, err := conn.Write(h); err != nil {
			_ = conn.Close()
			return nil, &failure.Cause{Err: err, When: "while sending the PROXY header"}
		}
	}
	return conn, nil
}

// way connects to addr, or to its VIP.
func (t *Target) way(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if t.via == nil || network != "tcp" || addr != t.Addr {
		return t.connect(ctx, network, addr.String())
	}
	conn, err := t.via.dial(ctx)
	if err != nil {
		return nil, err
	}
	return t.traced(conn), nil
}

// header returns what a connection to addr has to begin with. It names the
// director's own address in version 1, where servers refuse a header without
// addresses (section 2.1 of proxy-protocol.txt).
func (t *Target) header(conn net.Conn, addr netip.AddrPort) []byte {
	switch {
	case t.ProxyProtocol == 0 || addr != t.Addr:
		return nil
	case t.ProxyProtocol == 1:
		if own, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
			return proxyheader.Append1(nil, own, addr)
		}
	}
	return proxyheader.AppendLocal(nil)
}

// A link is a connection that ends with its context at the latest.
type link struct {
	net.Conn
	release func() bool
}

// dial reaches addr for longer than a moment.
func (t *Target) dial(ctx context.Context, network string, addr netip.AddrPort) (*link, error) {
	conn, err := t.reach(ctx, network, addr)
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
	return &link{conn, context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
}

// Close ends the connection, if its context has not done so.
func (l *link) Close() error {
	l.release()
	return l.Conn.Close()
}

// CloseWrite ends the sending direction of a stream.
func (l *link) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

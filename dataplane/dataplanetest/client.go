package dataplanetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A conn is a client's connection that a real server has greeted.
type conn struct {
	*net.TCPConn
	*fixture
	r      *bufio.Reader
	server string // the name it greeted with
}

// connect connects as a client, or fails.
func (p *service) connect(client int) *conn {
	p.Helper()
	c, err := p.reach(client, p.vip)
	p.check("connect to "+p.want.ID.String(), err)
	p.Cleanup(c.close)
	return c
}

// reach connects as a client and waits for the greeting.
func (s *fixture) reach(client int, to netip.AddrPort) (*conn, error) {
	host := s.lab.Clients[client%len(s.lab.Clients)]
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(host.addr(s.six), 0))
	dialer := net.Dialer{Timeout: patience, LocalAddr: local}
	var raw net.Conn
	err := host.do(func() (err error) {
		raw, err = dialer.DialContext(s.Context(), "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: raw.(*net.TCPConn), fixture: s, r: bufio.NewReader(raw)}
	_ = c.SetDeadline(time.Now().Add(patience))
	if c.server, err = c.line(); err != nil {
		c.close()
		return nil, fmt.Errorf("wait for the greeting: %w", err)
	}
	return c, nil
}

// close ends the connection. A second time does nothing.
func (c *conn) close() { _ = c.Close() }

// abort ends the connection with a reset.
func (c *conn) abort() {
	_ = c.SetLinger(0)
	c.close()
}

// line reads a line without its end.
func (c *conn) line() (string, error) {
	l, err := c.r.ReadString('\n')
	return strings.TrimSuffix(l, "\n"), err
}

// command tells the real server what to do.
func (c *conn) command(format string, args ...any) {
	c.Helper()
	_, err := fmt.Fprintf(c.TCPConn, format+"\n", args...)
	c.check("send a command to real server "+c.server, err)
}

// echoes reports how an exchange with a real server that was told "echo" goes.
func (c *conn) echoes(text string) error {
	if _, err := io.WriteString(c.TCPConn, text+"\n"); err != nil {
		return err
	}
	got, err := c.line()
	if err == nil && got != text {
		err = fmt.Errorf("sent %q, got %q back", text, got)
	}
	return err
}

// alive checks that the connection carries traffic both ways.
func (c *conn) alive(when string) {
	c.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := c.echoes("still there?"); err != nil {
		c.Errorf("%s: an established connection to %s: %v", when, c.server, err)
	}
}

// held connects and keeps the connection, echoing, for the length of the
// promise.
func (p *service) held(client int) *conn {
	p.Helper()
	c := p.connect(client)
	c.command("echo")
	c.alive("at first")
	return c
}

// visit makes a whole short connection and returns who answered.
func (p *service) visit(client int) (string, error) {
	c, err := p.reach(client, p.vip)
	if err != nil {
		return "", err
	}
	defer c.close()
	if _, err := io.WriteString(c.TCPConn, "echo\n"); err != nil {
		return c.server, err
	}
	if err := c.echoes("hello"); err != nil {
		return c.server, err
	}
	if err := c.CloseWrite(); err != nil {
		return c.server, err
	}
	return c.server, c.ended()
}

// ended waits for the end of what the real server sends, and reports whether
// it was a proper one with nothing before it.
func (c *conn) ended() error {
	rest, err := io.ReadAll(c.r)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("got %q before the end", rest)
	}
	return err
}

// refused reports whether a client was turned away in a way it understands at
// once.
func refused(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ECONNRESET)
}

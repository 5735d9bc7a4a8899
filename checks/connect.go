package checks

import (
	"context"
	"net"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// Connect makes a TCP connection to target.Addr and closes it at once. UDP
// has nothing to connect to: for UDP services ldirectord's connect is a Ping,
// which is the caller's choice to make.
//
// The connection is closed in the orderly way (FIN), as ldirectord does, or with
// target.Reset by a reset. From loopback, which is all that was tried, MariaDB
// 10.11 counted either among its Aborted_connects, but for a reset that came before
// its accept, and had blocked its client for neither after 20 of them with
// max_connect_errors at 3. The TIME_WAITs of FIN are harmless: their port is taken
// for one real server only, 60 of 28,000 at a check a second.
func Connect(ctx context.Context, target Target) error {
	return attempt(ctx, "connect", target.Addr.String(), func() error {
		conn, err := target.server().Reach(ctx, "tcp", target.Addr)
		if err != nil {
			return err
		}
		if c, ok := conn.(*net.TCPConn); ok && target.Reset {
			_ = c.SetLinger(0)
		}
		_ = conn.Close() // the connection was made, which is all that was asked
		return nil
	})
}

// A connected is the Session of connect.
type connected struct{}

// Begin implements session.Session.
func (connected) Begin() session.Step { return session.Step{Done: true} }

// Feed implements session.Session.
func (connected) Feed([]byte, bool) session.Step { return session.Step{Done: true} }

// End implements session.Session.
func (connected) End(cause error) error { return cause }

package checks

import (
	"context"
	"net"
)

// Connect makes a TCP connection to target.Addr and closes it at once. UDP
// has nothing to connect to: for UDP services ldirectord's connect is a Ping,
// which is the caller's choice to make.
//
// The connection is closed in the orderly way (FIN), as ldirectord does. A
// reset would leave no TIME_WAIT behind, but it makes servers log an aborted
// connection with every check, and some (MySQL's max_connect_errors) lock the
// director out. The TIME_WAITs are harmless: their port is taken for one real
// server only, 60 of 28,000 at a check a second.
func Connect(ctx context.Context, target Target) error {
	return attempt(ctx, "connect", target.Addr.String(), func() error {
		conn, err := target.reach(ctx, "tcp", target.Addr)
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

// Package datagram asks a real server by UDP, where any datagram may be lost and
// anybody can send one.
package datagram

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// UntilReply says that a check waited for the reply to what it had asked.
const UntilReply = "while waiting for the reply"

// Ask sends query until a reply settles the check: at once and, as a datagram
// may be lost, again after a second, two, four. take returns false for a
// datagram that is no reply to the query, with what is wrong with it: anybody
// can send one. Those are dropped, and named if no other comes in time.
func Ask(ctx context.Context, conn net.Conn, query []byte, take func(reply []byte) (settled bool, err error)) error {
	end, limited := ctx.Deadline()
	buf := make([]byte, 1<<16)
	began, wait := time.Now(), time.Second
	dropped, last := 0, error(nil)
	for again := began; ; {
		if now := time.Now(); !again.After(now) {
			if _, err := conn.Write(query); err != nil {
				return &failure.Cause{Err: err, When: "while sending the query"}
			}
			again, wait = now.Add(wait), 2*wait
		}
		if limited && again.After(end) {
			again = end
		}
		if err := conn.SetReadDeadline(again); err != nil {
			return &failure.Cause{Err: err, When: UntilReply}
		}
		n, err := conn.Read(buf)
		late := limited && !time.Now().Before(end)
		switch {
		case err == nil:
			settled, err := take(buf[:n])
			if settled {
				return err
			}
			dropped, last = dropped+1, err
		case errors.Is(err, os.ErrDeadlineExceeded) && !late:
		case late && dropped > 0:
			return failure.Because(failure.Protocol, "no reply within %s; dropped %d, the last one %w", failure.Allowed(ctx, began), dropped, last)
		default:
			return &failure.Cause{Err: err, When: UntilReply}
		}
	}
}

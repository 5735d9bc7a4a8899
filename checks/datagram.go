package checks

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// askUDP sends query until a reply settles the check: at once and, as a datagram
// may be lost, again after a second, two, four. take returns false for a
// datagram that is no reply to the query, with what is wrong with it: anybody
// can send one. Those are dropped, and named if no other comes in time.
func askUDP(ctx context.Context, l *link, query []byte, take func(reply []byte) (settled bool, err error)) error {
	end, limited := ctx.Deadline()
	buf := make([]byte, 1<<16)
	began, wait := time.Now(), time.Second
	dropped, last := 0, error(nil)
	for again := began; ; {
		if now := time.Now(); !again.After(now) {
			if _, err := l.Write(query); err != nil {
				return &failure.Cause{Err: err, When: "while sending the query"}
			}
			again, wait = now.Add(wait), 2*wait
		}
		if limited && again.After(end) {
			again = end
		}
		if err := l.SetReadDeadline(again); err != nil {
			return &failure.Cause{Err: err, When: untilReply}
		}
		n, err := l.Read(buf)
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
			return failure.Because(Protocol, "no reply within %s; dropped %d, the last one %w", failure.Allowed(ctx, began), dropped, last)
		default:
			return &failure.Cause{Err: err, When: untilReply}
		}
	}
}

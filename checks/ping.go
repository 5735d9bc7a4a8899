package checks

import (
	"context"
	"errors"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/icmp"
)

// Ping sends ICMP echo requests of 64 data bytes to the address of
// target.Addr, target.Attempts at most and one after the other, and succeeds
// with the first answer. Each request has an equal share of the time that is
// left when it is sent; without a deadline the first has all of it. A request
// that a router or the real server itself sends back as undeliverable has
// failed at once.
//
// It needs CAP_NET_RAW, or a group of the process within
// net.ipv4.ping_group_range. With the second right alone nobody tells of
// undeliverable requests, and they take their time.
func Ping(ctx context.Context, target Target) error {
	addr := target.Addr.Addr().Unmap()
	return attempt(ctx, "ping", addr.String(), func() error {
		target.Trace.Note(TraceNoted, "ICMP echo requests to %s, at most %d", addr, max(1, target.Attempts))
		err := icmp.Ping(ctx, addr, target.Attempts)
		if err == nil {
			target.Trace.Note(TraceNoted, "echo reply from %s", addr)
		}
		if u, ok := errors.AsType[icmp.Undeliverable](err); ok {
			return failure.Because(Unreachable, "%s", string(u))
		}
		return err
	})
}

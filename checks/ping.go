package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
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
		fam := familyOf(addr)
		s, err := fam.shared.acquire(fam)
		if err != nil {
			return err
		}
		defer fam.shared.release()
		return s.ping(ctx, addr, max(1, target.Attempts))
	})
}

func (s *icmpSocket) ping(ctx context.Context, addr netip.Addr, attempts int) error {
	var why error // that says more than a timeout does
	for left := attempts; left > 0; left-- {
		err := s.tryOnce(ctx, addr, left)
		if err == nil || errors.Is(err, context.Canceled) {
			return err
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			why = err
		}
	}
	if why != nil {
		return why
	}
	return &failure{err: context.DeadlineExceeded, when: unanswered(attempts)}
}

func unanswered(attempts int) string {
	if attempts == 1 {
		return "without an answer"
	}
	return fmt.Sprintf("without an answer to %d echo requests", attempts)
}

// tryOnce sends one of the requests that are left.
func (s *icmpSocket) tryOnce(ctx context.Context, addr netip.Addr, left int) error {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return s.echo(ctx, addr)
}

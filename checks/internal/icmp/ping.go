// Package icmp sends ICMP echo requests for many checks by one socket in each
// address family, and tells the checks what came of them.
package icmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// An Undeliverable is what a router, or the host itself, said about a request
// that it sent back.
type Undeliverable string

func (u Undeliverable) Error() string { return string(u) }

// Ping sends echo requests to addr, attempts at most and one after the other,
// and returns nil with the first answer. Each request has an equal share of
// the time that is left until ctx's deadline when it is sent. Errors are a
// *[failure.Cause], an [Undeliverable] or, before anything was sent, any other.
func Ping(ctx context.Context, addr netip.Addr, attempts int) error {
	fam := familyOf(addr)
	s, err := fam.shared.acquire(fam)
	if err != nil {
		return err
	}
	defer fam.shared.release()
	return s.ping(ctx, addr, max(1, attempts))
}

func (s *socket) ping(ctx context.Context, addr netip.Addr, attempts int) error {
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
	return &failure.Cause{Err: context.DeadlineExceeded, When: unanswered(attempts)}
}

func unanswered(attempts int) string {
	if attempts == 1 {
		return "without an answer"
	}
	return fmt.Sprintf("without an answer to %d echo requests", attempts)
}

// tryOnce sends one of the requests that are left.
func (s *socket) tryOnce(ctx context.Context, addr netip.Addr, left int) error {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return s.echo(ctx, addr)
}

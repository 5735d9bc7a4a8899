package proxy

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// unreached tells of a failed attempt: in a loud voice only if it is the fault
// of this host.
func (d *Dataplane) unreached(s *service, c table.Claim, err error) {
	d.log.Debug("real server not reached", "service", s.name, "real", c.Addr().String(), "err", err)
	for _, local := range []error{unix.EMFILE, unix.ENFILE, unix.EADDRNOTAVAIL, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, local) {
			d.complain.Do(func() {
				d.log.Warn("no local resources to reach a real server",
					"service", s.name, "real", c.Addr().String(), "err", err)
			})
		}
	}
}

// onceAMinute is how often the log hears of what happens to every client.
func onceAMinute() rate.Sometimes { return rate.Sometimes{Interval: time.Minute} }

// A backoff paces what goes wrong again and again.
type backoff struct{ pause time.Duration }

const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

func (b *backoff) reset() { b.pause = 0 }

// wait pauses, each time longer, or until ctx is done.
func (b *backoff) wait(ctx context.Context) {
	b.pause = min(max(2*b.pause, minPause), maxPause)
	t := time.NewTimer(b.pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

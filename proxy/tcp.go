package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// tcpFront accepts the connections of one service.
type tcpFront struct {
	service  *service
	ln       *net.TCPListener
	complain rate.Sometimes
	stop     context.Context
	cancel   context.CancelFunc
	once     sync.Once
	done     chan struct{} // closed when nothing is accepted any more
}

func listenSessions(ctx context.Context, s *service) (front, error) {
	ln, err := listenTCP(ctx, unmap(s.id.Addr))
	if err != nil {
		return nil, err
	}
	f := &tcpFront{service: s, ln: ln, complain: onceAMinute(), done: make(chan struct{})}
	f.stop, f.cancel = context.WithCancel(s.plane.ctx)
	s.plane.work.Go(f.accept)
	return f, nil
}

func (f *tcpFront) drain() { f.close() }

func (f *tcpFront) close() {
	f.once.Do(func() {
		f.cancel()
		_ = f.ln.Close()
	})
	<-f.done
}

func (f *tcpFront) accept() {
	defer close(f.done)
	var pause backoff
	for {
		c, err := f.ln.AcceptTCP()
		switch {
		case err == nil:
			pause.reset()
			f.admit(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			f.complain.Do(func() {
				f.service.plane.log.Error("cannot accept connections", "service", f.service.name, "err", err)
			})
			pause.wait(f.stop)
		}
	}
}

// admit begins a session, if there is room.
func (f *tcpFront) admit(c *net.TCPConn) {
	d := f.service.plane
	s := &session{service: f.service, client: c}
	if !d.sessions.add(s) {
		reset(c)
		f.service.table.Refused()
		d.complain.Do(func() {
			d.log.Warn("connections refused: limit reached", "service", f.service.name, "limit", d.sessions.limit)
		})
		return
	}
	d.work.Go(s.serve)
}

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

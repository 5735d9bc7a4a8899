package loop

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// refusal returns why a client is refused of which e is what the latest attempt
// to reach a real server came to, 0 if there was none; full is that there is
// one that would take it but for having as many as may be.
func refusal(e unix.Errno, full bool) dataplane.Refusal {
	switch {
	case e == errCrowded, scarce(e):
		return dataplane.Bound
	case portless(e):
		return dataplane.Portless
	case full:
		return dataplane.Queued
	case e != 0:
		return dataplane.Unreachable
	}
	return dataplane.Unusable
}

// A minutely is what may be said once a minute.
type minutely struct{ due atomic.Int64 }

// do has say say it if it is time, and counts what could not be said as not
// said.
func (m *minutely) do(now time.Duration, say func() bool) {
	due := m.due.Load()
	if int64(now) >= due && m.due.CompareAndSwap(due, int64(now+time.Minute)) && !say() {
		m.due.Store(due)
	}
}

// refused counts a client that nobody takes, and tells of one each minute.
// tried are the real servers that could not be reached for it, of which e is
// about the last.
func (e *Engine) refused(s *Service, err unix.Errno, why dataplane.Refusal, tried []*table.Server) {
	s.Books.Refused(why)
	s.refused.do(e.sinceStart(), func() bool {
		about := []any{"service", s.Name, "reason", why.String()}
		if len(tried) > 0 {
			about = append(about, "real", tried[len(tried)-1].Addr().String())
		}
		switch {
		case err == errCrowded:
			about = append(about, "err", "maxconnections or maxflows is reached")
		case err != 0:
			about = append(about, "err", err)
		}
		return e.herald.say(func() { e.options.Log.Warn("client refused", about...) })
	})
}

package virtual

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A Reporter logs clients that are not served, and real servers that are not
// reached. All methods may be called from several goroutines at once, and
// wait for nobody.
type Reporter struct {
	engine *engine.Engine
	Log    *engine.Log

	local, reject, header rate.Sometimes

	suspect atomic.Pointer[func(dataplane.ServiceID, netip.AddrPort)]
}

// NewReporter has the log of an engine written.
func NewReporter(e *engine.Engine) *Reporter {
	return &Reporter{engine: e, Log: e.Log(), local: engine.EachMinute(), reject: engine.EachMinute(), header: engine.EachMinute()}
}

// Observe has f called by Failed.
func (r *Reporter) Observe(f func(dataplane.ServiceID, netip.AddrPort)) { r.suspect.Store(&f) }

// Failed gives back the claim of a failed attempt to connect, and reports the real
// server if that makes as many in a row as the service observes.
func (r *Reporter) Failed(s *Service, c table.Claim) {
	run, limit := c.Failed(), s.Settings().ErrorLimit
	if limit == 0 || run%limit != 0 {
		return
	}
	if f := r.suspect.Load(); f != nil {
		(*f)(c.Service(), c.Addr())
	}
}

// Unreached logs a failed attempt to reach a real server: as a warning if it is
// the fault of this host (own), else for debugging.
func (r *Reporter) Unreached(s *Service, c table.Claim, err unix.Errno, own bool) {
	real := c.Addr().String()
	r.Log.Say(slog.LevelDebug, "real server not reached", "service", s.Name, "real", real, "err", err)
	if own {
		r.local.Do(func() {
			r.Log.Say(slog.LevelWarn, "this host cannot reach a real server", "service", s.Name, "real", real, "err", err, "hint", hint(err))
		})
	}
}

// rejected logs one of the clients that a screen does not let in.
func (r *Reporter) rejected(s *Service, client netip.AddrPort, v screen.Verdict) {
	r.reject.Do(func() {
		r.Log.Say(slog.LevelWarn, "clients turned away", "service", s.Name, "client", client.String(), "reason", v.String())
	})
}

// MissingHeader tells of a trusted proxy that has not said who its client is.
func (r *Reporter) MissingHeader(s *Service, from netip.AddrPort, err error) {
	r.header.Do(func() {
		r.Log.Say(slog.LevelWarn, "trusted proxy sends no PROXY header", "service", s.Name, "proxy", from, "err", err)
	})
}

// A perMinute is what may be said once a minute.
type perMinute struct{ due atomic.Int64 }

// do calls say if it is time. A line for which there was no room does not count.
func (m *perMinute) do(now time.Duration, say func() bool) {
	due := m.due.Load()
	if int64(now) >= due && m.due.CompareAndSwap(due, int64(now+time.Minute)) && !say() {
		m.due.Store(due)
	}
}

// Refused counts a client that no real server takes, and logs one a minute for
// each service. tried are the real servers that could not be reached; err is the
// error of the last.
func (r *Reporter) Refused(s *Service, err unix.Errno, why dataplane.Refusal, tried []*table.Server) {
	s.Books.Refused(why)
	s.refused.do(r.engine.SinceStart(), func() bool {
		about := []any{"service", s.Name, "reason", why.String()}
		if len(tried) > 0 {
			about = append(about, "real", tried[len(tried)-1].Addr().String())
		}
		switch {
		case err == ErrLimit:
			about = append(about, "err", "maxconnections or maxflows is reached")
		case err != 0:
			about = append(about, "err", err)
		}
		return r.Log.Say(slog.LevelWarn, "client refused", about...)
	})
}

// Screen decides whether a client of s is let in, and counts the one that is
// not before it can know. Whoever has been let in gives back what it returns.
func (r *Reporter) Screen(s *Service, client netip.AddrPort) (from *screen.Source, ok bool) {
	if s.Screen.Open() {
		return nil, true
	}
	from, verdict := s.Screen.Admit(client.Addr())
	switch verdict {
	case screen.Denied:
		s.Books.Denied()
	case screen.Throttled:
		s.Books.Throttled()
	default:
		return from, true
	}
	r.rejected(s, client, verdict)
	return nil, false
}

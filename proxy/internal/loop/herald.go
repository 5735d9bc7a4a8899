package loop

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A herald writes the log for workers, which must not wait for whoever reads
// it. What it cannot keep up with is left out.
type herald struct {
	log     *slog.Logger
	notices chan func()
	done    sync.WaitGroup
	once    sync.Once

	accept, crowd, local, receive, flood, turn, stranger rate.Sometimes
}

func newHerald(log *slog.Logger) *herald {
	h := &herald{log: log, notices: make(chan func(), 64)}
	for _, s := range []*rate.Sometimes{&h.accept, &h.crowd, &h.local, &h.receive, &h.flood, &h.turn, &h.stranger} {
		s.Interval = time.Minute // for what happens to every client
	}
	h.done.Go(func() {
		for say := range h.notices {
			say()
		}
	})
	return h
}

// say reports whether there was room for the notice.
func (h *herald) say(notice func()) bool {
	select {
	case h.notices <- notice:
		return true
	default:
		return false
	}
}

// close returns when everything has been said. Nobody may say anything more.
func (h *herald) close() {
	h.once.Do(func() { close(h.notices) })
	h.done.Wait()
}

func (e *Engine) cannotAccept(s *Service, err unix.Errno) {
	e.herald.accept.Do(func() {
		e.herald.say(func() {
			e.options.Log.Error("cannot accept connections", "service", s.Name, "err", err)
		})
	})
}

func (e *Engine) crowded(s *Service) {
	e.herald.crowd.Do(func() {
		e.herald.say(func() {
			e.options.Log.Warn("clients wait: limit of connections reached", "service", s.Name, "limit", e.places.limit.Load(), "of its own", e.places.own.Load())
		})
	})
}

func (e *Engine) cannotReceive(s *Service, err unix.Errno) {
	e.herald.receive.Do(func() {
		e.herald.say(func() {
			e.options.Log.Error("cannot receive datagrams", "service", s.Name, "err", err)
		})
	})
}

func (e *Engine) crowdedFlows(s *Service) {
	e.herald.flood.Do(func() {
		e.herald.say(func() {
			e.options.Log.Warn("datagrams refused: limit of flows reached", "service", s.Name, "limit", e.rooms.limit.Load(), "of its own", e.rooms.own.Load())
		})
	})
}

// unreached tells of a failed attempt: in a loud voice only if it is the fault
// of this host, which is own.
func (e *Engine) unreached(s *Service, c table.Claim, err unix.Errno, own bool) {
	real := c.Addr().String()
	e.herald.say(func() {
		e.options.Log.Debug("real server not reached", "service", s.Name, "real", real, "err", err)
	})
	if own {
		e.herald.local.Do(func() {
			e.herald.say(func() {
				e.options.Log.Warn("this host cannot reach a real server", "service", s.Name, "real", real, "err", err, "hint", remedy(err))
			})
		})
	}
}

// turnedAway names one of the clients that a screen does not let in.
func (e *Engine) turnedAway(s *Service, client netip.AddrPort, v screen.Verdict) {
	e.herald.turn.Do(func() {
		e.herald.say(func() {
			e.options.Log.Warn("clients turned away", "service", s.Name, "client", client.String(), "reason", v.String())
		})
	})
}

// unintroduced tells of a trusted proxy that has not said who its client is.
func (e *Engine) unintroduced(s *Service, from netip.AddrPort, err error) {
	e.herald.stranger.Do(func() {
		e.herald.say(func() {
			e.options.Log.Warn("trusted proxy does not introduce its client", "service", s.Name, "proxy", from, "err", err)
		})
	})
}

package loop

import (
	"net/netip"

	"github.com/shunt-lb/shunt/proxy/internal/screen"
)

// screen decides whether a client of s is let in, and counts the one that is
// not before it can know. What it returns is for owner or patron, where
// vacate and put find it.
func (w *worker) screen(s *Service, client netip.AddrPort) (from *screen.Source, ok bool) {
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
	w.engine.turnedAway(s, client, verdict)
	return nil, false
}

// vacate gives back the place of a connection, and what its source has of the
// service. Every connection comes here when it is over, and once.
func (e *Engine) vacate(o owner) {
	o.source.Leave()
	e.places.leave(&o.service.quota)
}

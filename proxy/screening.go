package proxy

import (
	"cmp"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
)

// screen sets the rules and limits of the service's clients.
func (s *service) screen(v dataplane.VirtualService) {
	limits := screen.Limits{
		Conns: v.SourceConns, Rate: v.SourceRate,
		Bits4: cmp.Or(v.SourceBits4, 32), Bits6: cmp.Or(v.SourceBits6, 64),
	}
	if v.OnePacket {
		limits.Conns = 0 // what there are is datagrams
	}
	if of := (dataplane.ClientLists{Allow: v.Allow, Deny: v.Deny}); !s.rules.of.Equal(of) {
		s.rules = s.plane.rules(of)
	}
	s.shared.Screen.Set(s.rules.made, limits)
}

// trusts returns rules that serve trusted proxies alone, nil if there are none.
func (s *service) trusts(v dataplane.VirtualService) *screen.Rules {
	if of := (dataplane.ClientLists{Allow: v.TrustedProxies}); !s.trusted.of.Equal(of) {
		s.trusted = s.plane.rules(of)
	}
	return s.trusted.made
}

// A parsedRules has rules and their lists. The zero value has none.
type parsedRules struct {
	of   dataplane.ClientLists // Allow and Deny alone
	made *screen.Rules
}

// rules makes rules of lists, or returns the latest if they have the same lists: a
// list that all services have is held once. The caller holds the lock of d.
func (d *Dataplane) rules(of dataplane.ClientLists) parsedRules {
	if !d.latestRules.of.Equal(of) {
		d.latestRules = parsedRules{of, screen.NewRules(of.Allow, of.Deny)}
	}
	return d.latestRules
}

package proxy

import (
	"cmp"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
)

// screen says who is let in.
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

// trusts returns rules that let nobody pass but trusted proxies, nil if there
// are none.
func (s *service) trusts(v dataplane.VirtualService) *screen.Rules {
	if of := (dataplane.ClientLists{Allow: v.TrustedProxies}); !s.trusted.of.Equal(of) {
		s.trusted = s.plane.rules(of)
	}
	return s.trusted.made
}

// A parsedRules is rules and what they were made of. The zero value is none.
type parsedRules struct {
	of   dataplane.ClientLists // Allow and Deny alone
	made *screen.Rules
}

// rules makes rules, or returns the latest if they are made of the same: a list
// that all services have is there once. It belongs to the lock of d.
func (d *Dataplane) rules(of dataplane.ClientLists) parsedRules {
	if !d.latestRules.of.Equal(of) {
		d.latestRules = parsedRules{of, screen.NewRules(of.Allow, of.Deny)}
	}
	return d.latestRules
}

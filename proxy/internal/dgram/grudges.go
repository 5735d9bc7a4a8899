package dgram

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// maxGrudges bounds what clients have against real servers, in each of two
// generations.
const maxGrudges = 1 << 15

// A grudge is what one client has against a real server.
type grudge struct {
	server *table.Server
	until  time.Time
}

// grudges are those of a service. They are forgotten a generation at a time: the
// older one when the younger is full, or old enough for what came before it to be
// over.
type grudges struct {
	younger, older generation
	over           time.Time // when all of them are
}

type generation struct {
	byClient map[netip.AddrPort][]grudge
	size     int
	began    time.Time
}

func (g *grudges) add(from netip.AddrPort, sv *table.Server, now time.Time) {
	if y := &g.younger; y.byClient == nil || y.size == maxGrudges || now.Sub(y.began) >= refusalTime {
		g.older, g.younger = *y, generation{byClient: map[netip.AddrPort][]grudge{}, began: now}
	}
	g.over = now.Add(refusalTime)
	y := &g.younger
	all := y.byClient[from]
	if i := slices.IndexFunc(all, func(old grudge) bool { return old.server == sv }); i >= 0 {
		all[i].until = g.over
		return
	}
	y.byClient[from] = append(all, grudge{sv, g.over})
	y.size++
}

// of returns the real servers that a client has something against.
func (g *grudges) of(from netip.AddrPort, now time.Time) []*table.Server {
	var all []*table.Server
	for _, gen := range []*generation{&g.younger, &g.older} {
		for _, one := range gen.byClient[from] {
			if now.Before(one.until) {
				all = append(all, one.server)
			}
		}
	}
	return all
}

// expire forgets everything once it is over, and reports whether there is
// anything left.
func (g *grudges) expire(now time.Time) bool {
	if g.younger.byClient != nil && !now.Before(g.over) {
		*g = grudges{}
	}
	return g.younger.byClient != nil
}

package dgram

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// maxClientPenalties is the greatest number of penalties in each of two
// generations.
const maxClientPenalties = 1 << 15

// A clientPenalty makes one client avoid a real server.
type clientPenalty struct {
	server *table.Server
	until  time.Time
}

// clientPenalties are the penalties of a service. They are forgotten a generation at
// a time: the older one when the younger is full, or when all of the older one have
// expired.
type clientPenalties struct {
	younger, older generation
	over           time.Time // when all of them have expired
}

type generation struct {
	byClient map[netip.AddrPort][]clientPenalty
	size     int
	began    time.Time
}

func (g *clientPenalties) add(from netip.AddrPort, sv *table.Server, now time.Time) {
	if y := &g.younger; y.byClient == nil || y.size == maxClientPenalties || now.Sub(y.began) >= penaltyTime {
		g.older, g.younger = *y, generation{byClient: map[netip.AddrPort][]clientPenalty{}, began: now}
	}
	g.over = now.Add(penaltyTime)
	y := &g.younger
	all := y.byClient[from]
	if i := slices.IndexFunc(all, func(old clientPenalty) bool { return old.server == sv }); i >= 0 {
		all[i].until = g.over
		return
	}
	y.byClient[from] = append(all, clientPenalty{sv, g.over})
	y.size++
}

// of returns the real servers that a client avoids.
func (g *clientPenalties) of(from netip.AddrPort, now time.Time) []*table.Server {
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

// expire forgets expired penalties, and reports whether any are left.
func (g *clientPenalties) expire(now time.Time) bool {
	if g.younger.byClient != nil && !now.Before(g.over) {
		*g = clientPenalties{}
	}
	return g.younger.byClient != nil
}

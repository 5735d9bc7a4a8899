package table

import (
	"container/list"
	"net/netip"
	"time"
)

const (
	// maxPins bounds the clients remembered for one service, at about 200
	// bytes each.
	maxPins = 1 << 18
	// evictTries is how many of the oldest pins are looked at for one
	// without connections when there is no room.
	evictTries = 16
)

// pins remember which real server a client has. A pin lasts for a time from
// the client's last new connection and longer while it has connections, as
// the kernel's persistence templates do.
type pins struct {
	keep     time.Duration
	bits     int
	max      int // 0: maxPins
	byClient map[netip.Addr]*pin
	byAge    list.List // of *pin, the one renewed first in front
}

// A pin holds one client prefix at one real server.
type pin struct {
	client  netip.Addr // first address of the prefix
	server  *Server
	conns   int
	expires time.Time
	age     *list.Element
}

func (ps *pins) on() bool { return ps.keep > 0 }

// configure sets duration and prefix length. Pins made for other prefixes mean
// nothing any more.
func (ps *pins) configure(keep time.Duration, bits int) {
	if keep <= 0 || bits != ps.bits {
		for _, p := range ps.byClient {
			ps.remove(p)
		}
	}
	ps.keep, ps.bits = keep, bits
	if keep > 0 && ps.byClient == nil {
		ps.byClient = map[netip.Addr]*pin{}
	}
}

// prefix returns what stands for all clients that are one with a.
func (ps *pins) prefix(a netip.Addr) netip.Addr {
	p, err := a.Prefix(ps.bits)
	if err != nil {
		return a
	}
	return p.Masked().Addr()
}

// find returns the pin of a client, nil if there is none or it is over.
func (ps *pins) find(client netip.Addr, now time.Time) *pin {
	p := ps.byClient[ps.prefix(client)]
	if p == nil || p.over(now) {
		return nil
	}
	return p
}

func (p *pin) over(now time.Time) bool { return p.conns == 0 && !now.Before(p.expires) }

// renew counts a new connection of the pinned client.
func (ps *pins) renew(p *pin, now time.Time) {
	p.conns++
	p.expires = now.Add(ps.keep)
	ps.byAge.MoveToBack(p.age)
}

// pin binds a client to sv and counts a connection. It returns nil if there is
// no room; the client is then scheduled anew each time.
func (ps *pins) pin(client netip.Addr, sv *Server, now time.Time) *pin {
	client = ps.prefix(client)
	p := ps.byClient[client]
	if p == nil {
		if !ps.makeRoom() {
			return nil
		}
		p = &pin{client: client}
		p.age = ps.byAge.PushBack(p)
		ps.byClient[client] = p
	}
	p.bind(sv)
	ps.renew(p, now)
	return p
}

func (p *pin) bind(sv *Server) {
	if p.server != nil {
		p.server.pinned--
	}
	p.server = sv
	sv.pinned++
}

// makeRoom drops the oldest pin nobody is connected through if the table is
// full.
func (ps *pins) makeRoom() bool {
	limit := ps.max
	if limit == 0 {
		limit = maxPins
	}
	for range evictTries {
		if len(ps.byClient) < limit {
			return true
		}
		oldest := ps.byAge.Front().Value.(*pin)
		if oldest.conns == 0 {
			ps.remove(oldest)
		} else {
			ps.byAge.MoveToBack(oldest.age)
		}
	}
	return len(ps.byClient) < limit
}

// release ends one connection of a pinned client. The pin may have been
// removed before it.
func (ps *pins) release(p *pin) {
	p.conns--
	if p.age != nil && p.over(time.Now()) {
		ps.remove(p)
	}
}

// expire removes pins that are over. The list is in order of expiry but for
// those that outlive theirs by a connection: they go to the back and are
// removed when it ends.
func (ps *pins) expire(now time.Time) {
	for range ps.byAge.Len() {
		p := ps.byAge.Front().Value.(*pin)
		switch {
		case now.Before(p.expires):
			return
		case p.conns > 0:
			ps.byAge.MoveToBack(p.age)
		default:
			ps.remove(p)
		}
	}
}

// forget removes the pins to sv.
func (ps *pins) forget(sv *Server) {
	for _, p := range ps.byClient {
		if sv.pinned == 0 {
			return
		}
		if p.server == sv {
			ps.remove(p)
		}
	}
}

func (ps *pins) remove(p *pin) {
	delete(ps.byClient, p.client)
	ps.byAge.Remove(p.age)
	p.age = nil
	p.server.pinned--
}

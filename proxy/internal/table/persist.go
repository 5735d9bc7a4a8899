package table

import (
	"net/netip"
	"time"
)

const (
	// maxPins bounds the clients remembered for one service, at about 150
	// bytes each.
	maxPins = 1 << 18
	// expireBatch bounds the time for which a sweep locks the service: the pins
	// of many clients that came together end together.
	expireBatch = 1 << 12
)

// pins remember which real server a client has. A pin lasts for the time keep from
// the client's last new connection, and longer while the client has connections,
// as the kernel's persistence templates do. It lasts while its server is removed,
// too, because that may return in time. A full table drops the client that has
// been without a connection for longest, and never one with a connection.
type pins struct {
	keep     time.Duration
	bits     int
	max      int       // 0: maxPins
	epoch    time.Time // the origin of times of expiry
	byClient map[netip.Addr]*pin
	idle     pinList
	lost     uint64 // clients that there was no room for
}

// A pin holds one client prefix at one real server.
type pin struct {
	client       netip.Addr // first address of the prefix
	server       *Server
	older, newer *pin // in the list of idle ones
	expires      time.Duration
	conns        int32
	removed      bool
}

func (ps *pins) on() bool { return ps.keep > 0 }

// configure sets duration and prefix length. It drops all pins when persistence
// ends or the prefix length changes.
func (ps *pins) configure(keep time.Duration, bits int) {
	if keep <= 0 || bits != ps.bits {
		for _, p := range ps.byClient {
			ps.remove(p)
		}
	}
	ps.keep, ps.bits = keep, bits
	if keep > 0 && ps.byClient == nil {
		ps.epoch = time.Now()
		ps.byClient = map[netip.Addr]*pin{}
	}
}

// now returns the time since epoch.
func (ps *pins) now() time.Duration { return time.Since(ps.epoch) }

// prefix returns the first address of a's prefix, which stands for all of its
// clients.
func (ps *pins) prefix(a netip.Addr) netip.Addr {
	p, err := a.Prefix(ps.bits)
	if err != nil {
		return a
	}
	return p.Masked().Addr()
}

// find returns the pin of a client, nil if there is none or it has expired.
func (ps *pins) find(client netip.Addr, now time.Duration) *pin {
	p := ps.byClient[ps.prefix(client)]
	if p == nil || p.over(now) {
		return nil
	}
	return p
}

func (p *pin) over(now time.Duration) bool { return p.conns == 0 && now >= p.expires }

// renew counts a new connection of the pinned client.
func (ps *pins) renew(p *pin, now time.Duration) {
	if p.conns == 0 {
		ps.idle.take(p)
	}
	p.conns++
	p.expires = now + ps.keep
}

// pin binds a client to sv and counts a connection. It returns nil if there is
// no room; the client is then scheduled anew each time.
func (ps *pins) pin(client netip.Addr, sv *Server, now time.Duration) *pin {
	client = ps.prefix(client)
	p := ps.byClient[client]
	if p == nil {
		if !ps.makeRoom(now) {
			return nil
		}
		p = &pin{client: client}
		ps.byClient[client] = p
		ps.idle.add(p)
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

// makeRoom drops the pin that has been idle for longest if the table is full.
// Clients that lose a pin before it expires, or get none, are counted.
func (ps *pins) makeRoom(now time.Duration) bool {
	limit := ps.max
	if limit == 0 {
		limit = maxPins
	}
	if len(ps.byClient) < limit {
		return true
	}
	oldest := ps.idle.oldest
	if oldest == nil {
		ps.lost++
		return false
	}
	if !oldest.over(now) {
		ps.lost++
	}
	ps.remove(oldest)
	return true
}

// release ends one connection of a pinned client. The pin may have been
// removed before it.
func (ps *pins) release(p *pin) {
	p.conns--
	switch {
	case p.removed || p.conns > 0:
	case p.over(ps.now()):
		ps.drop(p)
	default:
		ps.idle.add(p)
	}
}

// expire removes pins that have expired, some thousands at a time. Pins are in
// the order in which they became idle, so that one may be late by the time of
// persistence.
func (ps *pins) expire(now time.Duration) {
	for range expireBatch {
		p := ps.idle.oldest
		if p == nil || !p.over(now) {
			return
		}
		ps.remove(p)
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
	if p.conns == 0 {
		ps.idle.take(p)
	}
	ps.drop(p)
}

// drop removes a pin that is not listed as idle.
func (ps *pins) drop(p *pin) {
	delete(ps.byClient, p.client)
	p.removed = true
	p.server.pinned--
}

// A pinList has pins by age. The links are in the pins.
type pinList struct{ oldest, newest *pin }

func (l *pinList) add(p *pin) {
	p.older, l.newest = l.newest, p
	if p.older == nil {
		l.oldest = p
		return
	}
	p.older.newer = p
}

func (l *pinList) take(p *pin) {
	if p.older == nil {
		l.oldest = p.newer
	} else {
		p.older.newer = p.newer
	}
	if p.newer == nil {
		l.newest = p.older
	} else {
		p.newer.older = p.older
	}
	p.older, p.newer = nil, nil
}

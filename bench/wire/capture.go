package wire

import (
	"cmp"
	"net/netip"
	"slices"
)

// A capture is what the links carried, before any of it is paired.
type capture struct {
	service Service
	taps    []*tap
	clients map[netip.Addr]bool
	packets []*packet // of the service, in order of time
}

func newCapture(s Service, taps []*tap) capture {
	c := capture{service: s, taps: taps, clients: map[netip.Addr]bool{}}
	c.service.Reals = slices.Clone(s.Reals)
	c.learn()
	var d decoder
	for _, t := range taps {
		for _, f := range t.frames {
			if p, ok := d.decode(t, f); ok && p.proto == s.number() {
				c.packets = append(c.packets, p)
			}
		}
	}
	slices.SortStableFunc(c.packets, func(a, b *packet) int { return cmp.Compare(a.at, b.at) })
	for _, p := range c.director() {
		if p.in() && p.dst == s.Addr {
			c.clients[p.src.Addr()] = true
		}
	}
	return c
}

// learn takes the real servers' Ethernet addresses from their links, where the
// service does not say them.
func (c *capture) learn() {
	for _, t := range c.taps {
		if t.Real >= 0 && t.Real < len(c.service.Reals) && c.service.Reals[t.Real].MAC == nil {
			c.service.Reals[t.Real].MAC = t.mac
		}
	}
}

// director returns the packets on the director's links.
func (c *capture) director() (at []*packet) {
	for _, p := range c.packets {
		if p.tap.Real == Director {
			at = append(at, p)
		}
	}
	return at
}

// real returns the number of the real server that p is on its way to, or -1.
func (c *capture) real(p *packet) int {
	return slices.IndexFunc(c.service.Reals, func(r Real) bool {
		switch {
		case p.path.dst.IsValid():
			return r.Addr.Addr() == p.path.dst
		case p.dst == c.service.Addr:
			return len(r.MAC) == len(mac{}) && mac(r.MAC) == p.eth[0]
		}
		return r.Addr == p.dst || r.Addr.Port() == 0 && r.Addr.Addr() == p.dst.Addr()
	})
}

func (c *capture) isReal(a netip.Addr) bool {
	return slices.ContainsFunc(c.service.Reals, func(r Real) bool { return r.Addr.Addr() == a })
}

package wire

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

// An Observation is what was seen of a service. It does not change any more
// and may be read by several goroutines at once.
type Observation struct {
	service Service
	taps    []*tap
	clients map[netip.Addr]bool
	packets []*packet // of the service, in order of time

	moves   []pair   // what the director passed on
	opened  []pair   // the first packet of each connection on both sides
	choices []choice // in the order in which they were made
	lost    uint64
	astray  uint64
}

// A pair is the same thing before and after the director.
type pair struct {
	before, after *packet
	reply         bool // on its way to the client
}

// A choice is a connection and the real server it was given, by number; -1 is
// none of the service.
type choice struct {
	client netip.AddrPort
	real   int
	at     int64
}

// observe makes sense of what was captured.
func observe(s Service, taps []*tap) *Observation {
	o := &Observation{service: s, taps: taps, clients: map[netip.Addr]bool{}}
	o.service.Reals = slices.Clone(s.Reals)
	o.learn()
	var d decoder
	for _, t := range taps {
		for _, f := range t.frames {
			if p, ok := d.decode(t, f); ok && p.proto == s.number() {
				o.packets = append(o.packets, p)
			}
		}
	}
	slices.SortStableFunc(o.packets, func(a, b *packet) int { return cmp.Compare(a.at, b.at) })
	for _, p := range o.director() {
		if p.in() && p.dst == s.Addr {
			o.clients[p.src.Addr()] = true
		}
	}
	if s.Method == Proxy && s.Protocol == "tcp" {
		o.pairStreams()
	} else {
		o.pairPackets()
	}
	slices.SortStableFunc(o.choices, func(a, b choice) int { return cmp.Compare(a.at, b.at) })
	return o
}

// learn takes the real servers' Ethernet addresses from their links, where the
// service does not say them.
func (o *Observation) learn() {
	for _, t := range o.taps {
		if t.Real >= 0 && t.Real < len(o.service.Reals) && o.service.Reals[t.Real].MAC == nil {
			o.service.Reals[t.Real].MAC = t.mac
		}
	}
}

// director returns the packets on the director's links.
func (o *Observation) director() (at []*packet) {
	for _, p := range o.packets {
		if p.tap.Real == Director {
			at = append(at, p)
		}
	}
	return at
}

// Lost counts the packets of clients and real servers that entered the
// director and never left it; with a proxy connections (UDP: datagrams).
func (o *Observation) Lost() uint64 { return o.lost }

// Astray counts the packets that left the director for a real server on whose
// link they were not seen. It is 0 where the real servers' links were not
// watched.
func (o *Observation) Astray() uint64 { return o.astray }

// Dropped counts the packets that the observer missed.
func (o *Observation) Dropped() (n uint64) {
	for _, t := range o.taps {
		n += t.dropped
	}
	return n
}

// Packets counts what was seen, on all links together.
func (o *Observation) Packets() int { return len(o.packets) }

// Sequence returns the real servers of all connections, by number, in the
// order in which the connections left the director; -1 is none of the service.
// A director that works on several processors may have chosen in another order
// than this where connections came at once.
func (o *Observation) Sequence() []int {
	out := make([]int, len(o.choices))
	for i, c := range o.choices {
		out[i] = c.real
	}
	return out
}

// real returns the number of the real server that p is on its way to, or -1.
func (o *Observation) real(p *packet) int {
	return slices.IndexFunc(o.service.Reals, func(r Real) bool {
		switch {
		case p.path.dst.IsValid():
			return r.Addr.Addr() == p.path.dst
		case p.dst == o.service.Addr:
			return len(r.MAC) == len(mac{}) && mac(r.MAC) == p.eth[0]
		}
		return r.Addr == p.dst || r.Addr.Port() == 0 && r.Addr.Addr() == p.dst.Addr()
	})
}

func (o *Observation) isReal(a netip.Addr) bool {
	return slices.ContainsFunc(o.service.Reals, func(r Real) bool { return r.Addr.Addr() == a })
}

// Added returns by how much the director delayed packets, in order, with the
// shares 0.5, 0.9, 0.99, 0.999 and 1; nothing where no packet was paired. With
// a proxy it is the time from a segment's arrival to that of the departure of
// its last byte.
func (o *Observation) Added() []result.Quantile {
	return quantiles(o.moves)
}

package wire

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

// An Observation is the traffic of a service as seen on the links. It does not change any more
// and may be read by several goroutines at once.
type Observation struct {
	capture

	moves       []pair   // packets that the director passed on
	opened      []pair   // the first packet of each connection on both sides
	choices     []choice // in the order in which they were made
	lost        uint64
	undelivered uint64
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

// observe pairs what was captured.
func observe(s Service, taps []*tap) *Observation {
	o := &Observation{capture: newCapture(s, taps)}
	if s.Method == Proxy && s.Protocol == "tcp" {
		o.pairStreams()
	} else {
		o.pairPackets()
	}
	slices.SortStableFunc(o.choices, func(a, b choice) int { return cmp.Compare(a.at, b.at) })
	return o
}

// Lost counts the packets of clients and real servers that entered the
// director and never left it; with a proxy connections (UDP: datagrams).
func (o *Observation) Lost() uint64 { return o.lost }

// Undelivered counts the packets that left the director for a real server on whose
// link they were not seen. It is 0 where the real servers' links were not
// watched.
func (o *Observation) Undelivered() uint64 { return o.undelivered }

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

// Added returns by how much the director delayed packets, in order, with the
// shares 0.5, 0.9, 0.99, 0.999 and 1; nothing where no packet was paired. With
// a proxy it is the time from a segment's arrival to that of the departure of
// its last byte.
func (o *Observation) Added() []result.Quantile {
	return quantiles(o.moves)
}

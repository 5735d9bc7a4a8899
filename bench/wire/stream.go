package wire

import (
	"net/netip"
)

// named is how many of a connection's first bytes identify it.
const named = 32

// A stream is a TCP connection as seen at the director, one with a client or
// one with a real server.
type stream struct {
	opened   *packet
	up, down flow // from the side that opened it, and back
}

// A flow is one direction of a stream.
type flow struct {
	started  bool
	first    uint32    // sequence number of the first byte
	segments []*packet // with new bytes, in order
	ends     []uint32  // of each segment, counted from the first byte
	head     [named]byte
	known    int // bytes of head
}

func (f *flow) begin(p *packet) {
	if !f.started {
		f.started, f.first = true, p.seq+1
	}
}

// add adds a segment, unless it is a repetition.
func (f *flow) add(p *packet) {
	if p.size <= 0 || !f.started {
		return
	}
	at := p.seq - f.first
	end := at + uint32(p.size)
	if n := len(f.ends); n > 0 && int32(end-f.ends[n-1]) <= 0 {
		return
	}
	f.segments, f.ends = append(f.segments, p), append(f.ends, end)
	if int(at) == f.known && f.known < named {
		f.known += copy(f.head[f.known:], p.payload)
	}
}

// name returns the first bytes, which a proxy sends on unchanged.
func (s *stream) name() string { return string(s.up.head[:s.up.known]) }

// streams collects connections by the ends that are not the service's or a
// real server's.
type streams struct {
	open map[[2]netip.AddrPort]*stream
	all  []*stream // in the order of their SYNs
}

// add adds a packet from the side that opens connections, or to it.
func (s *streams) add(p *packet, up bool) {
	ends := [2]netip.AddrPort{p.src, p.dst}
	if !up {
		ends = [2]netip.AddrPort{p.dst, p.src}
	}
	st := s.open[ends]
	if up && p.opens() && (st == nil || st.opened.seq != p.seq) {
		st = &stream{opened: p}
		st.up.begin(p)
		s.open[ends] = st
		s.all = append(s.all, st)
	}
	switch {
	case st == nil:
	case up:
		st.up.add(p)
	case p.flags&flagSYN != 0:
		st.down.begin(p)
	default:
		st.down.add(p)
	}
}

// pairStreams pairs a proxy's connections with clients and those with real
// servers by the bytes they begin with, and among equals by their order. A
// connection without a counterpart among the clients, such as a check, does not
// count.
func (o *Observation) pairStreams() {
	front, back := o.sides()
	behind := map[string][]*stream{}
	for _, s := range back.all {
		behind[s.name()] = append(behind[s.name()], s)
	}
	for _, f := range front.all {
		list := behind[f.name()]
		if len(list) == 0 {
			o.lost++
			continue
		}
		b := list[0]
		behind[f.name()] = list[1:]
		o.opened = append(o.opened, pair{f.opened, b.opened, false})
		o.choices = append(o.choices, choice{f.opened.src, o.real(b.opened), b.opened.at})
		o.pass(&f.up, &b.up, false)
		o.pass(&b.down, &f.down, true)
	}
}

// sides sorts packets into connections with clients and with real servers.
func (o *Observation) sides() (front, back streams) {
	front.open, back.open = map[[2]netip.AddrPort]*stream{}, map[[2]netip.AddrPort]*stream{}
	for _, p := range o.director() {
		switch {
		case p.in() && p.dst == o.service.Addr:
			front.add(p, true)
		case p.out() && p.src == o.service.Addr:
			front.add(p, false)
		case p.out() && o.isReal(p.dst.Addr()):
			back.add(p, true)
		case p.in() && o.isReal(p.src.Addr()):
			back.add(p, false)
		}
	}
	return front, back
}

// pass pairs each segment that came with the one that took its last byte on.
func (o *Observation) pass(in, out *flow, reply bool) {
	var j int
	for i, end := range in.ends {
		for j < len(out.ends) && int32(out.ends[j]-end) < 0 {
			j++
		}
		if j == len(out.ends) {
			return
		}
		o.moves = append(o.moves, pair{in.segments[i], out.segments[j], reply})
	}
}

package wire

import (
	"hash/maphash"
	"net/netip"
	"slices"
)

// A key is what a director has to leave as it is: packets with the same one
// are the same packet, or its repetitions.
type key struct {
	client   netip.AddrPort // not with a proxy
	reply    bool
	seq, ack uint32
	flags    uint8
	size     int
	payload  uint64 // hash of a datagram's first bytes
	real     int    // of whose link, when asking for arrivals
}

// hashed is how many bytes of a datagram identify it. They are kept behind
// additional headers, too.
const hashed = 64

var seed = maphash.MakeSeed()

// key identifies p: its client, its direction and which packet it is. It reports
// false for packets that belong to no client.
func (c *capture) key(p *packet) (k key, ok bool) {
	k = key{seq: p.seq, ack: p.ack, flags: p.flags, size: p.size}
	if p.proto == protoUDP {
		k.payload = maphash.Bytes(seed, p.payload[:min(len(p.payload), hashed)])
	}
	entering := p.tap.Real == Director && p.in()
	switch {
	case p.dst == c.service.Addr, !entering && c.isReal(p.dst.Addr()):
		k.client = p.src
	case p.src == c.service.Addr, c.isReal(p.src.Addr()):
		k.client, k.reply = p.dst, true
	default:
		return k, false
	}
	if c.service.Method == Proxy {
		k.client = netip.AddrPort{}
		return k, true
	}
	return k, c.clients[k.client.Addr()]
}

// pairPackets pairs packets that pass the director one by one.
func (o *Observation) pairPackets() {
	waiting := map[key][]*packet{}
	proxied := map[netip.AddrPort]bool{} // a proxy's own ends of flows
	for _, p := range o.director() {
		k, ok := o.key(p)
		if !ok || o.service.Method == Proxy && k.reply && p.in() && !proxied[p.dst] {
			continue
		}
		switch {
		case p.in():
			waiting[k] = append(waiting[k], p)
		case p.out():
			if before := claim(waiting, k, p); before != nil {
				o.moves = append(o.moves, pair{before, p, k.reply})
				proxied[p.src] = true
			}
		}
	}
	for _, left := range waiting {
		o.lost += uint64(len(left))
	}
	o.chooseByPackets()
	o.seekArrivals()
}

// claim removes the packet that became p from waiting and returns it. Among
// repetitions it is the one with the same identification, else the oldest.
func claim(waiting map[key][]*packet, k key, p *packet) *packet {
	list := waiting[k]
	if len(list) == 0 {
		return nil
	}
	i := max(slices.IndexFunc(list, func(b *packet) bool { return b.id == p.id }), 0)
	before := list[i]
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(waiting, k)
	} else {
		waiting[k] = list
	}
	return before
}

// chooseByPackets finds the first packet of each connection: a SYN of its own,
// or the first datagram from a client's address and port.
func (o *Observation) chooseByPackets() {
	type connection struct {
		client netip.AddrPort
		seq    uint32
	}
	seen := map[connection]bool{}
	for _, m := range o.moves {
		if m.reply || m.before.proto == protoTCP && !m.before.opens() {
			continue
		}
		c := connection{m.before.src, m.before.seq}
		if !seen[c] {
			seen[c] = true
			o.opened = append(o.opened, m)
			o.choices = append(o.choices, choice{m.before.src, o.real(m.after), m.after.at})
		}
	}
}

// seekArrivals counts packets that left for a real server whose link is watched
// and were not seen there.
func (o *Observation) seekArrivals() {
	watched, arrived := map[int]bool{}, map[key]int{}
	for _, t := range o.taps {
		watched[t.Real] = true
	}
	for _, p := range o.packets {
		if p.tap.Real == Director || !p.in() {
			continue
		}
		if k, ok := o.key(p); ok && !k.reply {
			k.real = p.tap.Real
			arrived[k]++
		}
	}
	for _, m := range o.moves {
		real := o.real(m.after)
		if m.reply || !watched[real] {
			continue
		}
		k, _ := o.key(m.after)
		k.real = real
		if arrived[k]--; arrived[k] < 0 {
			o.undelivered++
		}
	}
}

package wire

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// A promise is the effect of a forwarding method on one part of a packet.
type promise struct {
	name, says string
	value      func(p *packet) string
	holds      func(o *Observation, m pair) bool
}

// promises returns those of the method, for packets to real servers or, with
// masq, for those coming back. Replies to the other methods' packets do not
// pass through the director.
func promises(method string, six, reply bool) []promise {
	switch {
	case method == Proxy && reply, method != Masq && reply:
		return nil
	case method == Proxy:
		return proxied()
	}
	out := []promise{
		{"source MAC", "the director's", sourceMAC, ownMAC},
		{"source address", "kept", sourceAddr, kept(sourceAddr)},
		{"source port", "kept", sourcePort, kept(sourcePort)},
		{"destination address", "kept", destAddr, kept(destAddr)},
		{"destination port", "kept", destPort, kept(destPort)},
		{hops(six), "one less", ttl, func(_ *Observation, m pair) bool { return m.after.ttl == m.before.ttl-1 }},
		{class(six), "kept", tos, kept(tos)},
		{"payload", "kept", payload, samePayload},
		{"encapsulation", "none", path, func(_ *Observation, m pair) bool { return !m.after.path.dst.IsValid() }},
		{"checksums", "right", sums, func(_ *Observation, m pair) bool { return m.after.sums != wrong || m.before.sums == wrong }},
	}
	if !six {
		out = append(out, promise{"identification", "kept", identification, kept(identification)})
	}
	return amend(out, method, reply)
}

// amend sets the promises in which the methods differ.
func amend(out []promise, method string, reply bool) []promise {
	put := func(p promise) {
		i := slices.IndexFunc(out, func(q promise) bool { return q.name == p.name })
		if i < 0 {
			out = slices.Insert(out, 0, p)
			return
		}
		out[i] = p
	}
	switch {
	case reply:
		put(promise{"source address", "rewritten to the virtual service's", sourceAddr, fromService(sourceAddr)})
		put(promise{"source port", "rewritten to the virtual service's", sourcePort, fromService(sourcePort)})
		return out
	case method == Masq:
		put(promise{"destination address", "rewritten to the real server's", destAddr, toReal})
		put(promise{"destination port", "rewritten to the real server's", destPort, toReal})
	case method == IPIP:
		put(promise{"encapsulation", "from the director to the real server", path, tunnelled})
	}
	put(promise{"destination MAC", "the real server's", destMAC, realMAC})
	return out
}

// proxied compares the first packets of two connections.
func proxied() []promise {
	return []promise{
		{"source address", "the director's", sourceAddr, func(_ *Observation, m pair) bool { return own(m.after, m.after.src.Addr()) }},
		{"source port", "the director's", sourcePort, func(*Observation, pair) bool { return true }},
		{"destination address", "the real server's", destAddr, toReal},
		{"destination port", "the real server's", destPort, toReal},
		{"destination MAC", "the real server's", destMAC, realMAC},
		{"checksums", "right", sums, func(_ *Observation, m pair) bool { return m.after.sums != wrong }},
	}
}

func kept(value func(*packet) string) func(*Observation, pair) bool {
	return func(_ *Observation, m pair) bool { return value(m.before) == value(m.after) }
}

func fromService(value func(*packet) string) func(*Observation, pair) bool {
	return func(o *Observation, m pair) bool { return value(m.after) == value(&packet{src: o.service.Addr}) }
}

func toReal(o *Observation, m pair) bool {
	return slices.ContainsFunc(o.service.Reals, func(r Real) bool {
		return r.Addr.Addr() == m.after.dst.Addr() && (r.Addr.Port() == m.after.dst.Port() || r.Addr.Port() == 0)
	})
}

func ownMAC(_ *Observation, m pair) bool { return bytes.Equal(m.after.eth[1][:], m.after.tap.mac) }

func realMAC(o *Observation, m pair) bool {
	real := o.real(m.after)
	if real < 0 {
		return false
	}
	want := o.service.Reals[real].MAC
	return len(want) == 0 || bytes.Equal(want, m.after.eth[0][:])
}

func tunnelled(o *Observation, m pair) bool {
	return o.real(m.after) >= 0 && own(m.after, m.after.path.src)
}

// own reports whether a is an address of the link that p left by.
func own(p *packet, a netip.Addr) bool {
	return slices.ContainsFunc(p.tap.addrs, func(n net.Addr) bool {
		prefix, err := netip.ParsePrefix(n.String())
		return err == nil && prefix.Addr() == a
	})
}

// samePayload compares as much as was kept on both sides.
func samePayload(_ *Observation, m pair) bool {
	n := min(len(m.before.payload), len(m.after.payload))
	return m.before.size == m.after.size && bytes.Equal(m.before.payload[:n], m.after.payload[:n])
}

func hops(six bool) string {
	if six {
		return "hop limit"
	}
	return "TTL"
}

func class(six bool) string {
	if six {
		return "traffic class"
	}
	return "type of service"
}

func sourceMAC(p *packet) string      { return net.HardwareAddr(p.eth[1][:]).String() }
func destMAC(p *packet) string        { return net.HardwareAddr(p.eth[0][:]).String() }
func sourceAddr(p *packet) string     { return p.src.Addr().String() }
func destAddr(p *packet) string       { return p.dst.Addr().String() }
func sourcePort(p *packet) string     { return strconv.Itoa(int(p.src.Port())) }
func destPort(p *packet) string       { return strconv.Itoa(int(p.dst.Port())) }
func ttl(p *packet) string            { return strconv.Itoa(int(p.ttl)) }
func tos(p *packet) string            { return fmt.Sprintf("0x%02x", p.tos) }
func identification(p *packet) string { return fmt.Sprintf("0x%04x", p.id) }
func payload(p *packet) string        { return fmt.Sprintf("%d bytes", p.size) }

func path(p *packet) string {
	if !p.path.dst.IsValid() {
		return "none"
	}
	return fmt.Sprintf("%v to %v", p.path.src, p.path.dst)
}

func sums(p *packet) string {
	return [...]string{"not verified", "right", "wrong"}[p.sums]
}

package ipvs

import (
	"cmp"
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// The kernel's forwarding methods, from linux/ip_vs.h.
const (
	methodMasq   = 0
	methodTunnel = 2
	methodDirect = 3
	methodMask   = 7 // of the connection flags they are read back in
)

// foreign is a forwarding method that shunt does not know.
const foreign dataplane.Forward = 255

var methods = map[dataplane.Forward]uint32{
	dataplane.Gate: methodDirect,
	dataplane.Masq: methodMasq,
	dataplane.IPIP: methodTunnel,
}

// goal returns v in the kernel's terms. Unsupported has found nothing wrong
// with it.
func goal(v dataplane.VirtualService) state {
	s := state{options: goalOptions(v)}
	for _, r := range v.RealServers {
		s.servers = append(s.servers, goalServer(r))
	}
	return s
}

func goalOptions(v dataplane.VirtualService) options {
	o := options{
		scheduler: v.Scheduler,
		flags:     flagBits(v.Scheduler, v.SchedFlags),
		netmask:   netmask(ipv6(v.ID), bitLen(v.ID)),
	}
	if v.OnePacket {
		o.flags |= flagOnePacket
	}
	if v.Persistent > 0 {
		o.flags |= flagPersistent
		o.timeout = wholeSeconds(v.Persistent)
		o.netmask = netmask(ipv6(v.ID), v.PersistentBits)
	}
	return o
}

// goalServer returns r in the kernel's terms. A sorry server is reached at the
// address on which it listens, like any other.
func goalServer(r dataplane.RealServer) server {
	return server{
		addr: r.Addr, method: methods[r.Forward], tunnel: goalTunnel(r.Tunnel),
		weight: r.Weight, upper: r.Upper, lower: r.Lower,
	}
}

// wholeSeconds rounds up: persistence never ends early.
func wholeSeconds(d time.Duration) uint32 {
	return uint32((d + time.Second - 1) / time.Second)
}

func bitLen(id dataplane.ServiceID) int {
	if ipv6(id) {
		return net.IPv6len * 8
	}
	return net.IPv4len * 8
}

// netmask returns the kernel's form of a prefix length.
func netmask(six bool, bits int) uint32 {
	if six {
		return uint32(bits)
	}
	return binary.NativeEndian.Uint32(net.CIDRMask(bits, 32))
}

// prefixBits is the inverse of netmask. It counts the leading ones of a mask that
// is no prefix.
func prefixBits(six bool, mask uint32) int {
	if six {
		return int(mask)
	}
	var b net.IPMask = binary.NativeEndian.AppendUint32(nil, mask)
	ones, _ := b.Size()
	return ones
}

// status returns what was read of a service in terms of the contract. A property
// that is as last asks for has the value of last, even where the kernel knows
// less of it.
func (e entry) status(last dataplane.VirtualService) dataplane.ServiceStatus {
	st := dataplane.ServiceStatus{Service: e.service(last), Counters: e.counters}
	index := make(map[netip.AddrPort]int, len(last.RealServers))
	for i, r := range last.RealServers {
		index[r.Addr] = i
	}
	for _, s := range e.inOrder(index) {
		r := s.real()
		if i, asked := index[s.addr]; asked && goalServer(last.RealServers[i]) == s.server {
			r = last.RealServers[i]
		}
		st.Service.RealServers = append(st.Service.RealServers, r)
		st.Servers = append(st.Servers, dataplane.ServerStatus{
			RealServer: r, Counters: s.counters,
			Active: s.active, Inactive: s.inactive, Persistent: s.persistent,
		})
	}
	return st
}

// service returns everything but the real servers.
func (e entry) service(last dataplane.VirtualService) dataplane.VirtualService {
	v := last.Clone()
	v.RealServers = nil
	if want := goalOptions(last); e.options != want {
		v.Scheduler = e.scheduler
		v.SchedFlags = flagNames(e.scheduler, e.flags)
		v.OnePacket = e.flags&flagOnePacket != 0
		v.Persistent, v.PersistentBits = 0, 0
		if e.flags&flagPersistent != 0 {
			v.Persistent = time.Duration(e.timeout) * time.Second
			v.PersistentBits = prefixBits(ipv6(last.ID), e.netmask)
		}
	}
	return v
}

// inOrder returns the real servers by their index, and after them those that
// have none.
func (e entry) inOrder(index map[netip.AddrPort]int) []serverEntry {
	position := func(s serverEntry) int {
		if i, ok := index[s.addr]; ok {
			return i
		}
		return math.MaxInt
	}
	out := slices.Clone(e.servers)
	slices.SortStableFunc(out, func(a, b serverEntry) int { return cmp.Compare(position(a), position(b)) })
	return out
}

// real returns s in terms of the contract.
func (s server) real() dataplane.RealServer {
	r := dataplane.RealServer{Addr: s.addr, Forward: s.forward(), Weight: s.weight, Upper: s.upper, Lower: s.lower}
	if r.Forward == dataplane.IPIP {
		r.Tunnel, _ = s.tunnel.words()
	}
	return r
}

// forward returns the forwarding method, foreign for one that shunt does not
// know.
func (s server) forward() dataplane.Forward {
	_, known := s.tunnel.words()
	for forward, method := range methods {
		if method == s.method && (s.tunnel == tunnel{} || forward == dataplane.IPIP && known) {
			return forward
		}
	}
	return foreign
}

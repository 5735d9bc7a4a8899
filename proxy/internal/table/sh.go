package table

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// shSlots is the size of the kernel's table (IP_VS_SH_TAB_BITS).
const shSlots = 256

// sh is source hashing: the client's address, with sh-port its port too,
// chooses a slot of a table in which each real server has slots in a row in
// proportion to its weight. Where the one in the slot takes no client another slot
// is tried, as the kernel does with sh-fallback; without that flag it would
// refuse the client, which helps nobody.
type sh struct {
	port  bool
	slots [shSlots]*Server
}

func newSH(flags []string) scheduler { return &sh{port: slices.Contains(flags, "sh-port")} }

// update deals the slots out, again from the first server when all have had
// theirs.
func (s *sh) update(servers []*Server) {
	servers = slices.DeleteFunc(slices.Clone(servers), func(sv *Server) bool { return sv.spec.Weight == 0 })
	clear(s.slots[:])
	unit, total := 0, 0
	for _, sv := range servers {
		unit = gcd(unit, sv.spec.Weight)
		total += sv.spec.Weight
	}
	for slot := 0; slot < shSlots && len(servers) > 0; {
		for _, sv := range servers {
			for range shShare(sv.spec.Weight/unit, total/unit, len(servers)) {
				if slot < shSlots {
					s.slots[slot] = sv
					slot++
				}
			}
		}
	}
}

// shShare is how many slots in a row a weight gets. Weights that do not fit
// into the table are scaled down, with one slot at least for everybody; the
// kernel would never use the servers at the end.
func shShare(weight, total, servers int) int {
	if total <= shSlots {
		return weight
	}
	return 1 + weight*max(shSlots-servers, 0)/total
}

func (s *sh) next(r request) *Server {
	slot := s.hash(r.client)
	if sv := s.slots[slot]; sv != nil && sv.takes(r) {
		return sv
	}
	// Beginning at twice the slot, as the kernel does, spreads the clients of
	// a server that takes none better than the next slot would. The shorter
	// the rows the better, for which weights are brought to their least.
	for i := range shSlots {
		if sv := s.slots[(2*slot+i)%shSlots]; sv != nil && sv.takes(r) {
			return sv
		}
	}
	return nil
}

func (s *sh) hash(client netip.AddrPort) int {
	key := fold(client.Addr())
	if s.port {
		key += uint32(client.Port())
	}
	const goldenRatio = 0x61C88647 // hash_32 of linux/hash.h
	return int(key * goldenRatio >> 24)
}

// fold makes one word of an address: IPv6 by exclusive or.
func fold(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	b := a.As16()
	var word uint32
	for i := 0; i < len(b); i += 4 {
		word ^= binary.BigEndian.Uint32(b[i:])
	}
	return word
}

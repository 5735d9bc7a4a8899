package table

import (
	"encoding/binary"
	"net/netip"
)

// hashSlots is the size of the kernel's tables for sh and dh
// (IP_VS_SH_TAB_BITS, IP_VS_DH_TAB_BITS).
const hashSlots = 256

// A hashTable has the server of the addresses with each hash.
type hashTable [hashSlots]*Server

// find returns the server in the slot, or another one if that takes no client. It
// goes on at twice the slot, as the kernel does, which spreads the clients of an
// unusable server better than the next slot would.
func (t *hashTable) find(slot int, r request) *Server {
	if sv := t[slot]; sv != nil && sv.takes(r) {
		return sv
	}
	for i := range hashSlots {
		if sv := t[(2*slot+i)%hashSlots]; sv != nil && sv.takes(r) {
			return sv
		}
	}
	return nil
}

// hashSlot is the kernel's hash_32 of eight bits: multiplication by the golden
// ratio (linux/hash.h).
func hashSlot(key uint32) int { return int(key * 0x61C88647 >> 24) }

// fold returns an address as one word: IPv6 by exclusive or.
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

// key returns the value that is hashed for an address, with its port if port is
// true.
func key(a netip.AddrPort, port bool) uint32 {
	if port {
		return fold(a.Addr()) + uint32(a.Port())
	}
	return fold(a.Addr())
}

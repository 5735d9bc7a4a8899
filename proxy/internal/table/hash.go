package table

import (
	"encoding/binary"
	"net/netip"
)

// hashSlots is the size of the kernel's tables for sh and dh
// (IP_VS_SH_TAB_BITS, IP_VS_DH_TAB_BITS).
const hashSlots = 256

// A hashTable says which server the addresses with one hash belong to.
type hashTable [hashSlots]*Server

// find returns the server in the slot, or another one where that takes no
// client. Going on at twice the slot, as the kernel does, spreads the clients
// of a server that is out better than the next slot would.
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

// key is what is hashed of an address: with its port, if that is to count.
func key(a netip.AddrPort, port bool) uint32 {
	if port {
		return fold(a.Addr()) + uint32(a.Port())
	}
	return fold(a.Addr())
}

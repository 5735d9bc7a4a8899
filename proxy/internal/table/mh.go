package table

import (
	"math/bits"

	"github.com/shunt-lb/shunt/dataplane"
)

const (
	// mhSlots is the size of the table, a prime: that of the kernel as
	// distributions build it (CONFIG_IP_VS_MH_TAB_INDEX=12).
	mhSlots = 4093
	// mhTurnBits bounds how many turns in a row a weight gives: half of the
	// same option, as in the kernel.
	mhTurnBits = 6
	// mhKey1 and mhKey2 are the kernel's keys, which are no secret: several
	// directors have to build the same table.
	mhKey1, mhKey2 = 2654435761, 2654446892
)

// mh is Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): the client's
// address, with mh-port its port too, chooses a slot of a large table that
// hardly changes for the others when one real server comes or goes. The hash
// and the table are those of a 64-bit kernel, so that clients keep their server
// from one dataplane to the other. Where the one in the slot takes no client
// another slot is tried, as the kernel does with mh-fallback; without that flag
// it would refuse the client.
type mh struct {
	port  bool
	slots []*Server // nil: there is no server
}

func newMH(v dataplane.VirtualService) scheduler { return &mh{port: byPort(v)} }

// A mhRow is the sequence of slots in which one server fills the table: its first
// slot, its step, and the number of slots at a time.
type mhRow struct {
	server   *Server
	at, skip int
	turns    int
}

// update fills the table anew. A quiescent server keeps its slots, so that
// clients of others do not move, and its own return when it does.
func (s *mh) update(servers []*Server) {
	rows := mhRows(servers)
	if len(rows) == 0 {
		s.slots = nil
		return
	}
	s.slots = make([]*Server, mhSlots)
	for filled := 0; ; {
		for i := range rows {
			for range rows[i].turns {
				s.slots[rows[i].advance(s.slots)] = rows[i].server
				if filled++; filled == mhSlots {
					return
				}
			}
		}
	}
}

// advance moves to the next free slot.
func (r *mhRow) advance(slots []*Server) int {
	for slots[r.at] != nil {
		if r.at += r.skip; r.at >= mhSlots {
			r.at -= mhSlots
		}
	}
	return r.at
}

func mhRows(servers []*Server) []mhRow {
	unit, top := 0, 0
	for _, sv := range servers {
		unit = gcd(unit, sv.lastWeight)
		top = max(top, sv.lastWeight)
	}
	rows := make([]mhRow, 0, len(servers))
	for _, sv := range servers {
		if sv.lastWeight == 0 {
			continue
		}
		// The greatest weight must fit into mhTurnBits.
		shift := max(bits.Len(uint(top/unit))-mhTurnBits, 0)
		k := key(sv.addr, true)
		rows = append(rows, mhRow{
			server: sv,
			at:     int(sipHash(k, mhKey1) % mhSlots),
			skip:   int(sipHash(k, mhKey2)%(mhSlots-1)) + 1,
			turns:  max(sv.lastWeight/unit>>shift, 1),
		})
	}
	return rows
}

func (s *mh) next(r request) *Server {
	if s.slots == nil {
		return nil
	}
	k := key(r.client, s.port)
	first := sipHash(k, mhKey1) % mhSlots
	if sv := s.slots[first]; sv.takes(r) {
		return sv
	}
	for i := range uint32(mhSlots) {
		offset := (first + i) % mhSlots
		if sv := s.slots[sipHash(k+offset, mhKey1)%mhSlots]; sv.takes(r) {
			return sv
		}
	}
	return nil
}

package table

import "github.com/shunt-lb/shunt/dataplane"

// sh is source hashing: the client's address, with sh-port its port too, chooses
// a slot of a table in which each real server has as many slots in a row as its
// weight. If the server in the slot takes no client another slot is tried, as the
// kernel does with sh-fallback; without that flag the kernel refuses the client.
type sh struct {
	port  bool
	table hashTable
}

func newSH(v dataplane.VirtualService) scheduler { return &sh{port: byPort(v)} }

// update assigns the slots, again from the first server when all have theirs. A
// quiescent one keeps a slot, as in the kernel, so that the table is the same on
// both dataplanes.
func (s *sh) update(servers []*Server) {
	clear(s.table[:])
	shares := shShares(servers)
	for slot := 0; slot < hashSlots && len(servers) > 0; {
		for i, sv := range servers {
			for n := 0; n < shares[i] && slot < hashSlots; n++ {
				s.table[slot] = sv
				slot++
			}
		}
	}
}

// shShares returns how many slots in a row each server gets: its weight, one at
// least. Weights that do not fit into the table are divided by their greatest
// common divisor and then scaled down; the kernel would never use the servers at
// the end.
func shShares(servers []*Server) []int {
	shares := make([]int, len(servers))
	unit, total := 0, 0
	for i, sv := range servers {
		shares[i] = max(sv.spec.Weight, 1)
		unit = gcd(unit, shares[i])
		total += shares[i]
	}
	if total <= hashSlots {
		return shares
	}
	for i, n := range shares {
		if shares[i] = n / unit; total > hashSlots*unit {
			shares[i] = 1 + n*max(hashSlots-len(servers), 0)/total
		}
	}
	return shares
}

func (s *sh) next(r request) *Server { return s.table.find(hashSlot(key(r.client, s.port)), r) }

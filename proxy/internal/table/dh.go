package table

import "github.com/shunt-lb/shunt/dataplane"

// dh is destination hashing: the address that clients connect to chooses a
// slot of a table in which each real server has its turn, whatever its
// weight. A service of the proxy has one such address, so that all its clients
// have one server, as they have in the kernel unless a firewall mark joins
// many addresses. Where the one in the slot takes no client another slot is
// tried; the kernel would refuse everybody.
type dh struct {
	slot  int
	table hashTable
}

func newDH(v dataplane.VirtualService) scheduler { return &dh{slot: hashSlot(fold(v.ID.Addr.Addr()))} }

func (s *dh) update(servers []*Server) {
	clear(s.table[:])
	for slot := range s.table {
		if len(servers) > 0 {
			s.table[slot] = servers[slot%len(servers)]
		}
	}
}

func (s *dh) next(r request) *Server { return s.table.find(s.slot, r) }

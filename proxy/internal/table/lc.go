package table

// lc is least connection. The kernel counts 256 for an active connection and
// 1 for an inactive one; a proxy has no inactive ones, so that plain numbers
// give the same order.
type lc struct{ servers []*Server }

func (s *lc) update(servers []*Server) { s.servers = servers }

func (s *lc) next(r request) *Server {
	var least *Server
	for _, sv := range s.servers {
		if sv.takes(r) && (least == nil || sv.active < least.active) {
			least = sv
		}
	}
	return least
}

// wlc is least connection in proportion to weight.
type wlc struct{ servers []*Server }

func (s *wlc) update(servers []*Server) { s.servers = servers }

func (s *wlc) next(r request) *Server {
	var least *Server
	for _, sv := range s.servers {
		if sv.takes(r) && (least == nil || sv.active*least.spec.Weight < least.active*sv.spec.Weight) {
			least = sv
		}
	}
	return least
}

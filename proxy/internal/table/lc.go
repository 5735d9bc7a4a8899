package table

// The kernel's least connection schedulers weigh an active connection 256
// times as much as an inactive one, which is one that has ended and is kept
// for packets that come late. A proxy has no inactive ones, so that plain
// numbers give the same order.

// lc is least connection, whatever the weight.
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

func (s *wlc) next(r request) *Server { return lightest(s.servers, r, 0) }

// lightest returns the first of the servers with the least connections for their
// weight, where each counts as having that many more.
func lightest(servers []*Server, r request, more int) *Server {
	var least *Server
	for _, sv := range servers {
		if sv.takes(r) && (least == nil || sv.lighter(least, more)) {
			least = sv
		}
	}
	return least
}

// lighter reports whether sv has fewer connections for its weight than other.
func (sv *Server) lighter(other *Server, more int) bool {
	return (sv.active+more)*other.spec.Weight < (other.active+more)*sv.spec.Weight
}

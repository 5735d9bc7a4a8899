package table

// sed is shortest expected delay: least connection in proportion to weight, with
// the new connection included, so that a server of great weight is filled before
// one of small weight gets its first.
type sed struct{ servers []*Server }

func (s *sed) update(servers []*Server) { s.servers = servers }

func (s *sed) next(r request) *Server { return lightest(s.servers, r, 1) }

// nq is never queue: the first server that is idle, or sed when none is.
type nq struct{ servers []*Server }

func (s *nq) update(servers []*Server) { s.servers = servers }

func (s *nq) next(r request) *Server {
	for _, sv := range s.servers {
		if sv.active == 0 && sv.takes(r) {
			return sv
		}
	}
	return lightest(s.servers, r, 1)
}

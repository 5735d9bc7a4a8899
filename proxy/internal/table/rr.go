package table

// rr is round robin: each server in turn, whatever its weight.
type rr struct {
	servers []*Server
	at      int // index of the last one
}

func (s *rr) update(servers []*Server) {
	s.at = follow(s.servers, servers, s.at)
	s.servers = servers
}

func (s *rr) next(r request) *Server {
	for range s.servers {
		if s.at++; s.at >= len(s.servers) {
			s.at = 0
		}
		if sv := s.servers[s.at]; sv.takes(r) {
			return sv
		}
	}
	return nil
}

package table

// fo is weighted failover: all clients go to the server with the greatest weight.
type fo struct{ servers []*Server }

func (s *fo) update(servers []*Server) { s.servers = servers }

func (s *fo) next(r request) *Server {
	var top *Server
	for _, sv := range s.servers {
		if sv.takes(r) && (top == nil || sv.spec.Weight > top.spec.Weight) {
			top = sv
		}
	}
	return top
}

// ovf is weighted overflow: clients go to the server with the greatest weight
// among those with no more connections than their weight. A server gets one
// connection more than its weight, as in the kernel; when all are full no server
// takes the client.
type ovf struct{ servers []*Server }

func (s *ovf) update(servers []*Server) { s.servers = servers }

func (s *ovf) next(r request) *Server {
	var top *Server
	for _, sv := range s.servers {
		if s.fits(sv) && sv.takes(r) && (top == nil || sv.spec.Weight > top.spec.Weight) {
			top = sv
		}
	}
	return top
}

func (*ovf) fits(sv *Server) bool { return sv.active <= sv.spec.Weight }

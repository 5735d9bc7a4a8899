package table

// fo is weighted failover: everybody goes to the server of the greatest
// weight.
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

// ovf is weighted overflow: the server of the greatest weight among those with
// no more connections than their weight. One fills up to one more than its
// weight, as in the kernel; when all are full nobody takes the client.
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

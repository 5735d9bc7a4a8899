package table

// wrr is weighted round robin in the kernel's order. It makes passes over the
// real servers, in each of which every server gets a client whose weight reaches
// the level of the pass. Levels are counted in units of the weights' greatest
// common divisor, from the greatest weight down to one: weights 2 and 1 give A, A
// B, A, A B and so on.
type wrr struct {
	servers []*Server
	at      int // index of the last one
	unit    int // greatest common divisor
	top     int // the greatest weight in units
	level   int // of the pass under way
}

// update begins the pass under way again at the first server, at its level or the
// highest one of the new weights, as the kernel does.
func (s *wrr) update(servers []*Server) {
	asked := (s.level-1)*s.unit + 1 // the least weight that reaches the level
	s.measure(servers)
	s.servers, s.at = servers, -1
	switch {
	case s.level == 0 || asked > (s.top-1)*s.unit+1:
		s.level = s.top
	case s.unit > 1:
		s.level = asked/s.unit + 1
	default:
		s.level = asked
	}
}

func (s *wrr) measure(servers []*Server) {
	s.unit, s.top = 0, 0
	for _, sv := range servers {
		s.unit = gcd(s.unit, sv.spec.Weight)
		s.top = max(s.top, sv.spec.Weight)
	}
	s.unit = max(s.unit, 1)
	s.top /= s.unit
}

func (s *wrr) next(r request) *Server {
	was := s.at
	if sv := s.pass(r); sv != nil {
		return sv
	}
	reach := s.reach(r)
	if reach == 0 {
		s.miss(was)
		return nil
	}
	s.at = -1
	if s.level--; s.level < 1 {
		s.level = s.top
	}
	// Passes above the highest level that any server reaches would find none.
	s.level = min(s.level, reach)
	return s.pass(r)
}

// miss sets the state that the kernel has when no server takes a client: the next
// client begins a round, unless the last pass of one is under way, which goes on.
func (s *wrr) miss(was int) {
	if was >= 0 && s.level == 1 {
		s.at = was
		return
	}
	s.at, s.level = -1, s.top
}

// pass continues the pass under way and returns nil at its end.
func (s *wrr) pass(r request) *Server {
	for s.at++; s.at < len(s.servers); s.at++ {
		if sv := s.servers[s.at]; sv.spec.Weight/s.unit >= s.level && sv.takes(r) {
			return sv
		}
	}
	return nil
}

// reach returns the highest level at which a server takes r.
func (s *wrr) reach(r request) int {
	reach := 0
	for _, sv := range s.servers {
		if sv.takes(r) {
			reach = max(reach, sv.spec.Weight/s.unit)
		}
	}
	return reach
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

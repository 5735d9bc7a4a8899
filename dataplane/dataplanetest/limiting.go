package dataplanetest

var limiting = []promise{
	{"limit/upper", "a real server at its upper threshold is passed over", limitUpper},
	{"limit/all", "connections are refused when all real servers are at their thresholds", limitAll},
	{"limit/lower", "a real server serves again when it is below its lower threshold", limitLower},
}

// limited is a service whose first real server has thresholds.
func (s *fixture) limited(upper, lower uint32, weights ...int) *service {
	s.Helper()
	p := s.tcpService("rr", weights...)
	p.want.RealServers[0].Upper, p.want.RealServers[0].Lower = upper, lower
	p.apply()
	return p
}

func limitUpper(s *fixture) {
	p := s.limited(1, 0, 1, 1)
	a := p.held(0)
	s.expect("the first connection", a.server, "a")
	p.takes("a is full", 0, "bbb")
	a.alive("its real server is full")
}

func limitAll(s *fixture) {
	p := s.limited(2, 0, 1)
	p.held(0)
	p.held(0)
	p.refuses("the only real server is full")
}

func limitLower(s *fixture) {
	p := s.limited(3, 2, 1)
	open := []*conn{p.held(0), p.held(0), p.held(0)}
	end := func(left int) {
		s.Helper()
		open[left].close()
		s.until("a connection that has ended is no longer active", func() bool { return p.server(0).Active == left })
	}
	end(2)
	p.refuses("2 of 3 connections are left, which is not below 2")
	end(1)
	p.takes("1 connection is left, which is below 2", 0, "a")
}

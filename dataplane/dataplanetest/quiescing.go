package dataplanetest

import "strings"

var quiescing = []promise{
	{"quiesce/takes nothing new", "a real server of weight 0 takes no new connection", quiescentTakesNothing},
	{"quiesce/keeps connections", "a real server of weight 0 keeps its connections", quiescentKeeps},
	{"quiesce/removed", "connections keep a real server that is removed", removedKeeps},
	{"quiesce/added again", "a real server that comes back serves again", addedAgain},
}

func quiescentTakesNothing(s *fixture) {
	for _, scheduler := range []string{"rr", "wrr", "lc", "wlc"} {
		p := s.tcpService(scheduler, 1, 1)
		p.apply()
		p.sequence(0, 3)
		p.weigh(1, 0)
		p.takes(scheduler+" and b quiescent", 0, "aaaaaa")
		p.weigh(1, absent)
		p.takes(scheduler+" and b removed", 0, "aaaa")
	}
}

func quiescentKeeps(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	a, b := p.held(0), p.held(0)
	p.weigh(0, 1)
	a.alive(a.server + " is quiescent")
	b.alive("another real server is quiescent")
	p.weigh(0, 0)
	a.alive("all real servers are quiescent")
	b.alive("all real servers are quiescent")
	s.check("finish sending", a.CloseWrite())
	s.check("the proper end of a connection to a quiescent real server", a.ended())
}

func removedKeeps(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	a := p.held(0)
	p.weigh(absent, 1)
	a.alive(a.server + " is removed")
	p.takes("a is removed", 0, "bb")
	s.check("finish sending", a.CloseWrite())
	s.check("the proper end of a connection to a removed real server", a.ended())
}

func addedAgain(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	for _, away := range []int{0, absent} {
		p.weigh(1, away)
		p.takes("without b", 0, "aaa")
		p.weigh(1, 1)
		if got := p.sequence(0, 6); strings.Count(got, "b") != 3 {
			s.Errorf("b is back: 6 connections went to %s, want half of them to b", got)
		}
	}
}

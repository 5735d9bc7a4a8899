package dataplanetest

import "time"

var persisting = []promise{
	{"persist/client", "a client keeps its real server while it is persistent", persistClient},
	{"persist/network", "clients of one network are taken for one", persistNetwork},
	{"persist/timeout", "a client is free again once persistence has run out", persistTimeout},
	{"persist/quiescent", "with ExpireQuiescent a client whose real server is quiescent gets another one", persistQuiescent},
	{"persist/removed", "a client whose real server is removed gets another one", persistRemoved},
}

// persistentService is one on which single clients are persistent for long.
func (s *fixture) persistentService(weights ...int) *service {
	s.Helper()
	p := s.tcpService("rr", weights...)
	p.want.Persistent = time.Hour
	p.want.PersistentBits = s.lab.vip(s.six).BitLen()
	return p
}

// distinct reports whether clients can be told apart by their addresses.
func (s *fixture) distinct() bool {
	c := s.lab.Clients
	return c[0].addr(s.six) != c[1].addr(s.six) && c[0].addr(s.six) != c[2].addr(s.six)
}

func persistClient(s *fixture) {
	p := s.persistentService(1, 1)
	p.apply()
	p.takes("the first client", 0, "aaaa")
	if n := p.server(0).Persistent; n != 1 {
		s.Errorf("Snapshot has %d clients pinned to a, want 1", n)
	}
	if !s.distinct() {
		return
	}
	p.takes("the second client", 1, "bbb")
	p.takes("the first client again", 0, "aaa")
}

func persistNetwork(s *fixture) {
	if !s.distinct() {
		return
	}
	p := s.persistentService(1, 1)
	p.want.PersistentBits = 24
	if s.six {
		p.want.PersistentBits = 64
	}
	p.apply()
	p.takes("the first client", 0, "aa")
	p.takes("another client of its network", 1, "aa")
	p.takes("a client from outside", 2, "bb")
	p.takes("the first client again", 0, "aa")
}

func persistTimeout(s *fixture) {
	p := s.persistentService(1, 1)
	p.want.Persistent = time.Second
	p.apply()
	p.takes("the first connection", 0, "a")
	for range 5 {
		before := time.Now()
		name := p.sequence(0, 1)
		// Only what was quick enough says something about the time before.
		if late := time.Since(before) > p.want.Persistent/2; name != "a" && !late {
			s.Fatalf("a client was given %s at once, and a before", name)
		}
	}
	s.until("nobody is pinned when persistence has run out", func() bool {
		return p.server(0).Persistent+p.server(1).Persistent == 0
	})
	p.takes("persistence has run out", 0, "b")
}

func persistQuiescent(s *fixture) {
	p := s.persistentService(1, 1)
	p.want.ExpireQuiescent = true
	p.apply()
	p.takes("the first client", 0, "aa")
	p.weigh(0, 1)
	p.takes("its real server is quiescent", 0, "bb")
	p.weigh(1, 1)
	p.takes("its first real server takes clients again", 0, "bb")
}

func persistRemoved(s *fixture) {
	p := s.persistentService(1, 1)
	p.apply()
	p.takes("the first client", 0, "aa")
	p.weigh(absent, 1)
	p.takes("its real server is removed", 0, "bb")
	p.weigh(1, 1)
	p.takes("its first real server is back", 0, "bb")
}

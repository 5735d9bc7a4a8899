package dataplanetest

import "time"

var persisting = []promise{
	{"persist/client", "a client keeps its real server while it is persistent", (*stage).persistClient},
	{"persist/network", "clients of one network are taken for one", (*stage).persistNetwork},
	{"persist/timeout", "a client is free again once persistence has run out", (*stage).persistTimeout},
	{"persist/removed", "a client whose real server is removed gets another one", (*stage).persistRemoved},
}

// persistentSite is one on which single clients are persistent for long.
func (s *stage) persistentSite(weights ...int) *site {
	s.Helper()
	p := s.tcpSite("rr", weights...)
	p.want.Persistent = time.Hour
	p.want.PersistentBits = s.lab.vip(s.six).BitLen()
	return p
}

// distinct reports whether clients can be told apart by their addresses.
func (s *stage) distinct() bool {
	c := s.lab.Clients
	return c[0].addr(s.six) != c[1].addr(s.six) && c[0].addr(s.six) != c[2].addr(s.six)
}

func (s *stage) persistClient() {
	p := s.persistentSite(1, 1)
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

func (s *stage) persistNetwork() {
	if !s.distinct() {
		return
	}
	p := s.persistentSite(1, 1)
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

func (s *stage) persistTimeout() {
	p := s.persistentSite(1, 1)
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

func (s *stage) persistRemoved() {
	p := s.persistentSite(1, 1)
	p.apply()
	p.takes("the first client", 0, "aa")
	p.weigh(gone, 1)
	p.takes("its real server is removed", 0, "bb")
	p.weigh(1, 1)
	p.takes("its first real server is back", 0, "bb")
}

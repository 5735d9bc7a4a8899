package dataplanetest

import "github.com/shunt-lb/shunt/dataplane"

var counting = []promise{
	{"count/connections", "connections and bytes are counted for each real server and the service", countConnections},
	{"count/datagrams", "flows and bytes of UDP are counted", countDatagrams},
	{"count/only grows", "a service's counters grow, also when real servers leave", countOnlyGrows},
	{"count/returns", "a real server that leaves and comes back goes on counting", countReturns},
	{"count/active", "connections are active as long as they last", countActive},
	{"count/refused", "clients that no real server could take are counted", countRefused},
}

// The commands and greetings of the suite.
const (
	sentIn  = len("echo\nhello\n")
	sentOut = len("a\nhello\n")
)

func countConnections(s *fixture) {
	p := s.tcpService("wrr", 2, 1)
	p.apply()
	s.check("nine connections", p.visits(0, 9))
	p.idle()
	p.counts("the service", func() dataplane.Counters { return p.own().Counters }, 9, 9*sentIn, 9*sentOut)
	p.counts("real server a", func() dataplane.Counters { return p.server(0).Counters }, 6, 6*sentIn, 6*sentOut)
	p.counts("real server b", func() dataplane.Counters { return p.server(1).Counters }, 3, 3*sentIn, 3*sentOut)
}

func countDatagrams(s *fixture) {
	const in, out = len("question 0"), len("a question 0")
	p := s.udpService("rr", 1, 1)
	p.apply()
	for range 4 {
		p.asks(p.flow(0), 5)
	}
	p.counts("the service", func() dataplane.Counters { return p.own().Counters }, 4, 20*in, 20*out)
	p.counts("real server b", func() dataplane.Counters { return p.server(1).Counters }, 2, 10*in, 10*out)
}

// counts waits until the counters have the expected values: a dataplane may be
// late by seconds.
func (p *service) counts(what string, read func() dataplane.Counters, conns, in, out int) {
	p.Helper()
	if p.lab.Lacks.OneWay {
		out = 0
	}
	p.until(what+" has counted all", func() bool {
		c := read()
		return c.Connections >= uint64(conns) && c.InBytes >= uint64(in) && c.OutBytes >= uint64(out)
	})
	c := read()
	exact := c.InBytes == uint64(in) && c.OutBytes == uint64(out)
	if c.Connections != uint64(conns) || !exact && !p.lab.Lacks.ForwardsPackets {
		p.Errorf("%s has counted %d connections, %d bytes in, %d out; there were %d, %d, %d",
			what, c.Connections, c.InBytes, c.OutBytes, conns, in, out)
	}
}

func countOnlyGrows(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	var total int
	var last dataplane.Counters
	for _, weights := range [][]int{{1, 1}, {1, absent}, {absent, 1}, {0, 1}, {1, 1}} {
		p.weigh(weights...)
		s.check("four connections", p.visits(0, 4))
		total += 4
		p.idle()
		now := p.own().Counters
		if now.Connections < last.Connections || now.InBytes < last.InBytes || now.OutBytes < last.OutBytes {
			s.Errorf("counters shrink: %+v after %+v", now, last)
		}
		last = now
	}
	p.counts("the service", func() dataplane.Counters { return p.own().Counters }, total, total*sentIn, total*sentOut)
}

func countReturns(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	total := 0
	for range 3 {
		s.check("four connections", p.visits(0, 4))
		total += 2
		p.counts("real server b", func() dataplane.Counters { return p.server(1).Counters }, total, total*sentIn, total*sentOut)
		p.weigh(1, absent)
		s.check("a connection without b", p.visits(0, 1))
		p.weigh(1, 1)
	}
	p.counts("real server b, back again", func() dataplane.Counters { return p.server(1).Counters }, total, total*sentIn, total*sentOut)
}

func countActive(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	p.apply()
	a, b, a2 := p.held(0), p.held(0), p.held(0)
	active := func(i, want int) {
		s.Helper()
		s.until("Active is the number of connections", func() bool { return p.server(i).Active == want })
	}
	active(0, 2)
	active(1, 1)
	a2.close()
	active(0, 1)
	b.abort()
	active(1, 0)
	a.alive("when others have ended")
}

func countRefused(s *fixture) {
	p := s.tcpService("rr", 0)
	p.apply()
	for range 3 {
		p.refuses("weight 0")
	}
	s.until("refused clients are counted", func() bool { return p.own().Counters.Refused == 3 })
	if n := p.own().Counters.Connections; n != 0 {
		s.Errorf("%d connections counted, none was taken", n)
	}
}

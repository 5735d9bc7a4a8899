package dataplanetest

import "strings"

var scheduling = []promise{
	{"schedule/rr", "rr takes real servers in turn, beginning with the first", (*stage).roundRobin},
	{"schedule/wrr", "wrr makes the kernel's sequence out of weights", (*stage).weightedRoundRobin},
	{"schedule/reweighted", "new weights hold from the next connection on", (*stage).reweighted},
	{"schedule/lc", "lc takes the real server with the fewest connections", (*stage).leastConnection},
	{"schedule/wlc", "wlc takes the real server with the fewest connections for its weight", (*stage).weightedLeastConnection},
	{"schedule/sh", "sh keeps a source on its real server", (*stage).sourceHashing},
	{"schedule/dead server", "a real server that refuses is passed over before the client notices", (*stage).deadServer},
}

func (s *stage) roundRobin() {
	p := s.tcpSite("rr", 1, 1, 1)
	p.apply()
	p.takes("rr", 0, "abcabcabc")

	// rr knows weight 0 and no other.
	q := s.tcpSite("rr", 5, 1)
	q.apply()
	q.takes("rr with weights 5 and 1", 0, "abab")
}

func (s *stage) weightedRoundRobin() {
	for _, c := range []struct {
		weights []int
		want    string
	}{
		{[]int{2, 1}, "aabaabaab"},
		{[]int{3, 1, 2}, "aacabcaacabc"},
		{[]int{4, 2}, "aabaab"},
		{[]int{1, 0, 3}, "ccac"},
	} {
		p := s.tcpSite("wrr", c.weights...)
		p.apply()
		p.takes(strings.Join([]string{"wrr with weights", list(c.weights)}, " "), 0, c.want)
	}
}

func (s *stage) reweighted() {
	p := s.tcpSite("wrr", 1, 1)
	p.apply()
	p.takes("equal weights", 0, "abab")
	p.weigh(1, 4)
	// Where in its round the scheduler is after a change is left to it.
	if got := strings.Count(p.sequence(0, 50), "b"); got < 38 || got > 42 {
		s.Errorf("weights 1 and 4: %d of 50 connections went to b, want 40", got)
	}
}

func (s *stage) leastConnection() {
	p := s.tcpSite("lc", 1, 1)
	p.apply()
	open := map[string][]*conn{}
	for range 4 {
		c := p.held(0)
		open[c.server] = append(open[c.server], c)
	}
	if len(open["a"]) != 2 || len(open["b"]) != 2 {
		s.Fatalf("lc gave a %d and b %d of 4 lasting connections, want 2 each", len(open["a"]), len(open["b"]))
	}
	for _, c := range open["b"] {
		c.close()
	}
	s.until("b has no active connections once they have ended", func() bool { return p.server(1).Active == 0 })
	for range 2 {
		if c := p.held(0); c.server != "b" {
			s.Errorf("lc gave a connection to %s, want b, which has fewer", c.server)
		}
	}
}

func (s *stage) weightedLeastConnection() {
	p := s.tcpSite("wlc", 2, 1)
	p.apply()
	open := map[string]int{}
	for range 6 {
		open[p.held(0).server]++
	}
	if open["a"] != 4 || open["b"] != 2 {
		s.Errorf("wlc with weights 2 and 1 gave a %d and b %d of 6 lasting connections, want 4 and 2", open["a"], open["b"])
	}
}

func (s *stage) sourceHashing() {
	p := s.tcpSite("sh", 1, 1, 1)
	p.apply()
	for client := range s.lab.Clients {
		first := p.sequence(client, 1)
		p.takes("sh, the same source again", client, strings.Repeat(first, 5))
	}
}

func (s *stage) deadServer() {
	p := s.tcpSite("rr", 1, 1)
	p.apply()
	p.tcp[0].stop()
	p.takes("a refuses", 0, "bbb")
	if p.own().Counters.Failures == 0 {
		s.Error("a real server refused and the service counts no failure")
	}
}

// list prints weights: "2, 1".
func list(weights []int) string {
	var words []string
	for _, w := range weights {
		words = append(words, string(rune('0'+w)))
	}
	return strings.Join(words, ", ")
}

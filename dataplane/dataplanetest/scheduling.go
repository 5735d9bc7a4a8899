package dataplanetest

import "strings"

var scheduling = []promise{
	{"schedule/rr", "rr takes real servers in turn, beginning with the first", roundRobin},
	{"schedule/wrr", "wrr makes the kernel's sequence out of weights", weightedRoundRobin},
	{"schedule/reweighted", "new weights hold from the next connection on", reweighted},
	{"schedule/lc", "lc takes the real server with the fewest connections", leastConnection},
	{"schedule/wlc", "wlc takes the real server with the fewest connections for its weight", weightedLeastConnection},
	{"schedule/by load", "sed, nq, fo and ovf choose by weight and by the connections that are open", byLoad},
	{"schedule/sh", "sh keeps a source on its real server", sourceHashing},
	{"schedule/mh", "mh keeps a source on its real server, also when another is quiescent", maglevHashing},
	{"schedule/dh", "dh keeps a service on one real server", destinationHashing},
	{"schedule/dead server", "a real server that refuses is passed over before the client notices", deadServer},
}

func roundRobin(s *fixture) {
	p := s.tcpService("rr", 1, 1, 1)
	p.apply()
	p.takes("rr", 0, "abcabcabc")

	// rr knows weight 0 and no other.
	q := s.tcpService("rr", 5, 1)
	q.apply()
	q.takes("rr with weights 5 and 1", 0, "abab")
}

func weightedRoundRobin(s *fixture) {
	for _, c := range []struct {
		weights []int
		want    string
	}{
		{[]int{2, 1}, "aabaabaab"},
		{[]int{3, 1, 2}, "aacabcaacabc"},
		{[]int{4, 2}, "aabaab"},
		{[]int{1, 0, 3}, "ccac"},
	} {
		p := s.tcpService("wrr", c.weights...)
		p.apply()
		p.takes(strings.Join([]string{"wrr with weights", list(c.weights)}, " "), 0, c.want)
	}
}

func reweighted(s *fixture) {
	p := s.tcpService("wrr", 1, 1)
	p.apply()
	p.takes("equal weights", 0, "abab")
	p.weigh(1, 4)
	// Where in its round the scheduler is after a change is left to it.
	if got := strings.Count(p.sequence(0, 50), "b"); got < 38 || got > 42 {
		s.Errorf("weights 1 and 4: %d of 50 connections went to b, want 40", got)
	}
}

func leastConnection(s *fixture) {
	p := s.tcpService("lc", 1, 1)
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

func weightedLeastConnection(s *fixture) {
	p := s.tcpService("wlc", 2, 1)
	p.apply()
	open := map[string]int{}
	for range 6 {
		open[p.held(0).server]++
	}
	if open["a"] != 4 || open["b"] != 2 {
		s.Errorf("wlc with weights 2 and 1 gave a %d and b %d of 6 lasting connections, want 4 and 2", open["a"], open["b"])
	}
}

func sourceHashing(s *fixture) {
	p := s.tcpService("sh", 1, 1, 1)
	p.apply()
	for client := range s.lab.Clients {
		first := p.sequence(client, 1)
		p.takes("sh, the same source again", client, strings.Repeat(first, 5))
	}
}

func byLoad(s *fixture) {
	for _, c := range []struct {
		scheduler string
		weights   []int
		want      string
	}{
		{"sed", []int{3, 1}, "aaabaaab"},
		{"nq", []int{3, 1}, "abaaaaab"},
		{"fo", []int{1, 3}, "bbbbb"},
		{"ovf", []int{1, 2}, "bbbaa"},
	} {
		p := s.tcpService(c.scheduler, c.weights...)
		p.apply()
		for i := range c.want {
			if got, want := p.held(0).server, c.want[i:i+1]; got != want {
				s.Errorf("%s with weights %s: after %d lasting connections another went to %s, want %s", c.scheduler, list(c.weights), i, got, want)
			}
		}
		if c.scheduler == "ovf" {
			p.refuses("all real servers of ovf are full")
		}
	}
}

func maglevHashing(s *fixture) {
	p := s.tcpService("mh", 1, 1, 1)
	p.apply()
	first := p.sequence(0, 1)
	p.takes("mh, the same source again", 0, strings.Repeat(first, 5))
	weights := []int{0, 0, 0}
	weights[first[0]-'a'] = 1
	p.weigh(weights...)
	p.takes("mh, the others are quiescent", 0, first)
	for client := range s.lab.Clients {
		p.takes("mh, all other real servers are quiescent", client, first+first)
	}
	p.weigh(1, 1, 1)
	p.takes("mh, the others are back", 0, first)
}

func destinationHashing(s *fixture) {
	p := s.tcpService("dh", 1, 1, 1)
	p.apply()
	first := p.sequence(0, 1)
	for client := range s.lab.Clients {
		p.takes("dh, whatever the source", client, strings.Repeat(first, 3))
	}
}

func deadServer(s *fixture) {
	p := s.tcpService("rr", 1, 1)
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

package dataplanetest

import (
	"fmt"
	"strings"
	"sync"
)

var datagrams = []promise{
	{"udp/request and response", "datagrams arrive whole, one by one, whatever their size", datagramSizes},
	{"udp/many replies", "one datagram may get many in answer", manyReplies},
	{"udp/flows", "each flow keeps its real server and gets its own answers", manyFlows},
	{"udp/quiescent", "a flow stays with a quiescent real server, new ones do not come", quiescentFlow},
	{"udp/removed", "a flow to a removed real server goes to another one with its next datagram", removedFlow},
	{"udp/one packet", "OnePacket schedules every datagram by itself", onePacket},
}

func datagramSizes(s *fixture) {
	p := s.udpService("rr", 1)
	p.apply()
	f := p.flow(0)
	for _, size := range []int{1, 100, 0, 1400, 7, 8000, 0, 3} {
		if _, err := f.ask(strings.Repeat("x", size)); err != nil {
			s.Fatalf("a datagram of %d bytes: %v", size, err)
		}
	}
}

func manyReplies(s *fixture) {
	const replies = 100
	p := s.udpService("rr", 1)
	p.apply()
	f := p.flow(0)
	for range 3 {
		_, err := fmt.Fprintf(f, "many %d", replies)
		s.check("send", err)
		for i := range replies {
			if _, rest, err := f.receive(); err != nil || string(rest) != fmt.Sprint(i) {
				s.Fatalf("reply %d of %d to one datagram: %q, %v", i, replies, rest, err)
			}
		}
	}
}

func manyFlows(s *fixture) {
	const flows = 60
	p := s.udpService("rr", 1, 1)
	p.apply()
	var crowd sync.WaitGroup
	var mu sync.Mutex
	taken := map[string]int{}
	for i := range flows {
		f := p.flow(i)
		crowd.Go(func() {
			name, err := f.sticks(i, 20)
			if err != nil {
				s.Errorf("flow %d of %d at once: %v", i, flows, err)
			}
			mu.Lock()
			defer mu.Unlock()
			taken[name]++
		})
	}
	crowd.Wait()
	if taken["a"] != flows/2 || taken["b"] != flows/2 {
		s.Errorf("rr gave a and b %d and %d of %d flows, want half each", taken["a"], taken["b"], flows)
	}
}

// sticks asks n times and returns the one real server that answered.
func (f *flow) sticks(id, n int) (string, error) {
	var first string
	for i := range n {
		name, err := f.ask(fmt.Sprintf("flow %d question %d", id, i))
		switch {
		case err != nil:
			return first, err
		case first == "":
			first = name
		case name != first:
			return first, fmt.Errorf("question %d was answered by %s, those before by %s", i, name, first)
		}
	}
	return first, nil
}

func quiescentFlow(s *fixture) {
	p := s.udpService("rr", 1, 1)
	p.apply()
	f := p.flow(0)
	s.expect("the first flow", p.asks(f, 2), "aa")
	p.weigh(0, 1)
	s.expect("its real server is quiescent", p.asks(f, 2), "aa")
	for range 3 {
		s.expect("a new flow when a is quiescent", p.asks(p.flow(0), 1), "b")
	}
}

func removedFlow(s *fixture) {
	p := s.udpService("rr", 1, 1)
	p.apply()
	f := p.flow(0)
	s.expect("the first flow", p.asks(f, 2), "aa")
	p.weigh(absent, 1)
	s.expect("its real server is removed", p.asks(f, 3), "bbb")
	p.weigh(1, 1)
	s.expect("its first real server is back", p.asks(f, 3), "bbb")
}

func onePacket(s *fixture) {
	p := s.udpService("rr", 1, 1)
	p.want.OnePacket = true
	p.apply()
	s.expect("one flow, OnePacket", p.asks(p.flow(0), 6), "ababab")
}

// expect checks who answered.
func (s *fixture) expect(when, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: answered by %s, want %s", when, got, want)
	}
}

package table_test

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// shares picks for many clients and counts, ending each connection.
func shares(s *table.Service, clients int, tried ...*table.Server) map[string]int {
	n := map[string]int{}
	for i := range clients {
		c, ok := s.Pick(client(i), tried)
		if ok {
			n[letter(c)]++
			c.Done()
		}
	}
	return n
}

func TestSourceHash(t *testing.T) {
	s := table.New(service("sh", 2, 1, 1))
	first := map[int]string{}
	for i := range 1000 {
		c, _ := s.Pick(client(i), nil)
		first[i] = letter(c)
		again, _ := s.Pick(netip.AddrPortFrom(client(i).Addr(), 9), nil)
		if letter(again) != first[i] {
			t.Fatalf("client %d went to %s and from another port to %s", i, first[i], letter(again))
		}
	}
	n := shares(s, 1<<12)
	if n["A"] < 1843 || n["A"] > 2253 || n["B"] < 819 || n["C"] < 819 {
		t.Errorf("shares %v of 4096 for weights 2, 1 and 1", n)
	}
}

// The clients of a server that takes none go to all the others.
func TestSourceHashFallback(t *testing.T) {
	s := table.New(service("sh", 100, 100, 100))
	handles := table.Handles(s)
	moved := map[string]int{}
	for i := range 1 << 12 {
		before, _ := s.Pick(client(i), nil)
		after, ok := s.Pick(client(i), handles[:1])
		switch {
		case !ok:
			t.Fatalf("client %d is refused although B and C can", i)
		case letter(before) != "A" && letter(after) != letter(before):
			t.Fatalf("client %d moved from %s to %s because A is away", i, letter(before), letter(after))
		case letter(before) == "A":
			moved[letter(after)]++
		}
	}
	if moved["B"] == 0 || moved["C"] == 0 {
		t.Errorf("the clients of A went to %v, want to both", moved)
	}
}

func TestSourceHashPort(t *testing.T) {
	v := service("sh", 1, 1)
	v.SchedFlags = []string{"sh-port", "sh-fallback"}
	s := table.New(v)
	seen := map[string]bool{}
	for port := range uint16(64) {
		c, _ := s.Pick(netip.AddrPortFrom(client(0).Addr(), 1024+port), nil)
		seen[letter(c)] = true
	}
	if len(seen) != 2 {
		t.Errorf("one client with many ports reaches %v, want both", seen)
	}
}

// Weights too large for the table keep their proportion, and nobody is
// forgotten.
func TestSourceHashLargeWeights(t *testing.T) {
	n := shares(table.New(service("sh", 30000, 10000, 1)), 1<<13)
	if n["A"] < 5324 || n["A"] > 6963 || n["B"] < 1638 || n["C"] == 0 {
		t.Errorf("shares %v of 8192 for weights 30000, 10000 and 1", n)
	}
	many := make([]int, 26)
	for i := range many {
		many[i] = 1 + 1000*(i%2)
	}
	if n := shares(table.New(service("sh", many...)), 1<<14); len(n) != len(many) {
		t.Errorf("%d of %d real servers are used: %v", len(n), len(many), n)
	}
}

func TestSourceHashIPv6(t *testing.T) {
	s := table.New(service("sh", 1, 1, 1))
	seen := map[string]bool{}
	for i := range 256 {
		a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(i), 15: 1})
		c, _ := s.Pick(netip.AddrPortFrom(a, 1), nil)
		seen[letter(c)] = true
	}
	if len(seen) != 3 {
		t.Errorf("256 networks reach %v, want all three", seen)
	}
}

// A hash that changes would move everybody. These are the choices of the
// kernel, to which the test on one holds the books.
func TestHashesAreTheKernels(t *testing.T) {
	tests := []struct {
		scheduler string
		flags     []string
		weights   []int
		want      string
	}{
		{"sh", nil, []int{50, 7, 80, 1}, "AACCAACCAACCCAACCAACCAACCBACCBACCCAACCAA"},
		{"sh", []string{"sh-port"}, []int{50, 7, 80, 1}, "CACACACACACBCACCACACACACACACACACCACDCACA"},
		{"mh", nil, []int{5, 1, 3, 2}, "AABAACAABCAADACDADCAACBAACDACAADCBACBDAA"},
		{"mh", []string{"mh-port"}, []int{300, 1000, 7, 50}, "BBBDBADABBAABABBBBDBBBBBBBDBBBBBCDBBBBAA"},
	}
	for _, tt := range tests {
		v := service(tt.scheduler, tt.weights...)
		v.SchedFlags = tt.flags
		if got := sequence(table.New(v), 40); got != tt.want {
			t.Errorf("%s %v %v picks %s, want %s", tt.scheduler, tt.flags, tt.weights, got, tt.want)
		}
	}
}

// homes says where each of many clients goes.
func homes(s *table.Service) []string {
	var all []string
	for i := range 1 << 13 {
		c, ok := s.Pick(client(i), nil)
		if !ok {
			all = append(all, "-")
			continue
		}
		all = append(all, letter(c))
		c.Done()
	}
	return all
}

// moved says which share of clients has moved from one state to another, and
// which of those whose server is in both.
func moved(was, is []string, gone string) (all, needless float64) {
	for i := range was {
		if was[i] != is[i] {
			all++
			if was[i] != gone {
				needless++
			}
		}
	}
	return all / float64(len(was)), needless / float64(len(was))
}

// When one of n goes few more clients move than its own.
func TestMaglevRemoval(t *testing.T) {
	for n := 2; n <= 20; n++ {
		weights := make([]int, n)
		for i := range weights {
			weights[i] = 1
		}
		s := table.New(service("mh", weights...))
		before := homes(s)
		weights[n/2] = -1
		s.Update(service("mh", weights...))
		if all, _ := moved(before, homes(s), ""); all > 1/float64(n)+0.05 {
			t.Errorf("one of %d is removed and %.1f %% of the clients move", n, 100*all)
		}
		weights[n/2] = 1
		s.Update(service("mh", weights...))
		if all, _ := moved(before, homes(s), ""); all != 0 {
			t.Errorf("one of %d is back and %.1f %% of the clients are not where they were", n, 100*all)
		}
	}
}

// When one is quiescent nobody moves but its own clients, to all the others.
func TestMaglevQuiescent(t *testing.T) {
	s := table.New(service("mh", 3, 2, 1, 1))
	before := homes(s)
	s.Update(service("mh", 0, 2, 1, 1))
	after := homes(s)
	if _, needless := moved(before, after, "A"); needless != 0 {
		t.Errorf("A is quiescent and %.1f %% of the clients move from others", 100*needless)
	}
	n := shares(s, 1<<12)
	if n["A"] != 0 || n["B"] < 1600 || n["C"] < 750 || n["D"] < 750 {
		t.Errorf("shares %v of 4096 for weights 0, 2, 1 and 1", n)
	}
	s.Update(service("mh", 3, 2, 1, 1))
	if all, _ := moved(before, homes(s), ""); all != 0 {
		t.Errorf("A is back and %.1f %% of the clients are not where they were", 100*all)
	}
}

func TestMaglevShares(t *testing.T) {
	n := shares(table.New(service("mh", 4, 2, 1, 1)), 1<<13)
	for name, want := range map[string]int{"A": 4096, "B": 2048, "C": 1024, "D": 1024} {
		if n[name] < want*9/10 || n[name] > want*11/10 {
			t.Errorf("shares %v of 8192 for weights 4, 2, 1 and 1", n)
		}
	}
}

// One client is one server, but with mh-port each of its connections is
// distributed.
func TestMaglevPort(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		want  int
	}{{nil, 1}, {[]string{"mh-fallback"}, 1}, {[]string{"mh-port"}, 3}, {[]string{"flag-2"}, 3}} {
		v := service("mh", 1, 1, 1)
		v.SchedFlags = tt.flags
		s, seen := table.New(v), map[string]bool{}
		for port := range uint16(64) {
			c, _ := s.Pick(netip.AddrPortFrom(client(0).Addr(), 1024+port), nil)
			seen[letter(c)] = true
		}
		if len(seen) != tt.want {
			t.Errorf("flags %v: one client with many ports reaches %v, want %d", tt.flags, seen, tt.want)
		}
	}
}

// Different services have different servers with dh, and one has one.
func TestDestinationHash(t *testing.T) {
	seen := map[string]int{}
	for i := range 256 {
		v := service("dh", 1, 1, 1)
		v.ID.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 80)
		n := shares(table.New(v), 8)
		if len(n) != 1 {
			t.Fatalf("the clients of %v go to %v", v.ID, n)
		}
		for name := range n {
			seen[name]++
		}
	}
	if seen["A"] < 60 || seen["B"] < 60 || seen["C"] < 60 {
		t.Errorf("256 addresses go to %v", seen)
	}
}

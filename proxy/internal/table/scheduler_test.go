package table_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// slowWRR is weighted round robin as it is told in books: one step at a time,
// one level at a time.
type slowWRR struct {
	weights []int
	i, cw   int
}

func newSlowWRR(weights []int) *slowWRR { return &slowWRR{weights: weights, i: -1} }

func (m *slowWRR) next(out []bool) int {
	unit, most := 0, 0
	for _, w := range m.weights {
		for a, b := unit, w; ; a, b = b, a%b {
			if b == 0 {
				unit = a
				break
			}
		}
		most = max(most, w)
	}
	was := *m
	for range (most + 2) * (len(m.weights) + 1) {
		m.i = (m.i + 1) % len(m.weights)
		if m.i == 0 {
			if m.cw -= unit; m.cw <= 0 {
				m.cw = most
			}
		}
		if w := m.weights[m.i]; w > 0 && w >= m.cw && !out[m.i] {
			return m.i
		}
	}
	*m = was
	return -1
}

func TestWRRModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 6).Draw(t, "weights")
		s, m := table.New(service("wrr", weights...)), newSlowWRR(weights)
		servers := table.Handles(s)
		for range rapid.IntRange(1, 60).Draw(t, "picks") {
			out := rapid.SliceOfN(rapid.Bool(), len(weights), len(weights)).Draw(t, "out")
			var tried []*table.Server
			for i := range out {
				if out[i] {
					tried = append(tried, servers[i])
				}
			}
			want := m.next(out)
			c, ok := s.Pick(client(0), tried)
			switch {
			case ok != (want >= 0):
				t.Fatalf("picked %v, want number %d", ok, want)
			case ok && c.Addr() != addrOf(rune('A'+want)):
				t.Fatalf("picked %s, want %c", letter(c), 'A'+want)
			}
		}
	})
}

func TestLeastConnectionsModel(t *testing.T) {
	for _, scheduler := range []string{"lc", "wlc"} {
		t.Run(scheduler, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				weights := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 6).Draw(t, "weights")
				s := table.New(service(scheduler, weights...))
				active := make([]int, len(weights))
				claims := make([][]table.Claim, len(weights))
				for range rapid.IntRange(1, 60).Draw(t, "steps") {
					if i := rapid.IntRange(0, len(weights)-1).Draw(t, "end at"); rapid.Bool().Draw(t, "end") && active[i] > 0 {
						claims[i][0].Done()
						claims[i] = claims[i][1:]
						active[i]--
						continue
					}
					want := least(scheduler, weights, active)
					c, ok := s.Pick(client(0), nil)
					if ok != (want >= 0) || ok && c.Addr() != addrOf(rune('A'+want)) {
						t.Fatalf("active %v: picked %v %v, want number %d", active, ok, c, want)
					}
					if ok {
						active[want]++
						claims[want] = append(claims[want], c)
					}
				}
			})
		})
	}
}

// least finds the least loaded in fractions.
func least(scheduler string, weights, active []int) int {
	best, bestLoad := -1, 0.0
	for i, w := range weights {
		if w == 0 {
			continue
		}
		load := float64(active[i])
		if scheduler == "wlc" {
			load /= float64(w)
		}
		if best < 0 || load < bestLoad {
			best, bestLoad = i, load
		}
	}
	return best
}

// The shares are exact however many ask at once.
func TestExactShares(t *testing.T) {
	tests := []struct {
		scheduler string
		weights   []int
		unit      int // picks that make one round
	}{
		{"rr", []int{1, 1, 1}, 3},
		{"wrr", []int{5, 2, 1}, 8},
		{"lc", []int{1, 1, 1}, 3},
		{"wlc", []int{3, 2, 1}, 6},
	}
	const pickers, rounds = 16, 60
	for _, tt := range tests {
		t.Run(tt.scheduler, func(t *testing.T) {
			s := table.New(service(tt.scheduler, tt.weights...))
			var all sync.WaitGroup
			for range pickers {
				all.Go(func() {
					for range rounds * tt.unit {
						c, _ := s.Pick(client(0), nil)
						c.Established()
					}
				})
			}
			all.Wait()
			for i, sv := range s.Status().Servers {
				share := tt.weights[i]
				if tt.scheduler == "lc" {
					share = 1
				}
				if want := uint64(share * pickers * rounds); sv.Counters.Connections != want {
					t.Errorf("%c has %d connections, want %d", 'A'+i, sv.Counters.Connections, want)
				}
			}
		})
	}
}

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

func TestFlags(t *testing.T) {
	if got := table.Schedulers(); !slices.Equal(got, []string{"lc", "rr", "sh", "wlc", "wrr"}) {
		t.Errorf("schedulers %v", got)
	}
	if _, ok := table.Flags("mh"); ok {
		t.Error("there is a scheduler mh")
	}
	if got, ok := table.Flags("sh"); !ok || len(got) != 2 {
		t.Errorf("flags of sh: %v %v", got, ok)
	}
}

func TestPickAllocations(t *testing.T) {
	for _, scheduler := range table.Schedulers() {
		for _, persistent := range []bool{false, true} {
			v := service(scheduler, 3, 2, 1)
			if persistent {
				v.Persistent, v.PersistentBits = 1<<40, 24
			}
			s := table.New(v)
			one := func() {
				c, _ := s.Pick(client(1), nil)
				c.Established()
				c.In(1, 1)
				c.Done()
			}
			one()
			if n := testing.AllocsPerRun(1000, one); n != 0 {
				t.Errorf("%s, persistent %v: %v allocations a connection, want none", scheduler, persistent, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, scheduler := range table.Schedulers() {
		for _, servers := range []int{3, 200} {
			v := service(scheduler)
			for i := range servers {
				a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: netip.AddrPortFrom(a, 80), Weight: 1 + i%7})
			}
			b.Run(fmt.Sprintf("%s/%d", scheduler, servers), func(b *testing.B) {
				s := table.New(v)
				b.ReportAllocs()
				for b.Loop() {
					c, _ := s.Pick(client(7), nil)
					c.Done()
				}
			})
		}
	}
}

package table_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
	// The kernel has been seen to begin a round after that, unless it was in
	// the last pass of one.
	if *m = was; was.i < 0 || was.cw > unit {
		m.i, m.cw = -1, 0
	}
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

// choices say slowly what the schedulers that count connections choose: the
// first of those whose score is least. A score below 0 is out of question.
var choices = map[string]func(weight, active int) float64{
	"lc":  func(_, active int) float64 { return float64(active) },
	"wlc": func(w, active int) float64 { return float64(active) / float64(w) },
	"sed": func(w, active int) float64 { return float64(active+1) / float64(w) },
	"nq": func(w, active int) float64 {
		if active == 0 {
			return 0
		}
		return float64(active+1) / float64(w)
	},
	"fo": func(w, _ int) float64 { return 1 / float64(w) },
	"ovf": func(w, active int) float64 {
		if active > w {
			return -1
		}
		return 1 / float64(w)
	},
}

func TestCountingModels(t *testing.T) {
	for scheduler, score := range choices {
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
					want := least(score, weights, active)
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

func least(score func(weight, active int) float64, weights, active []int) int {
	best := -1
	for i, w := range weights {
		if w == 0 || score(w, active[i]) < 0 {
			continue
		}
		if best < 0 || score(w, active[i]) < score(weights[best], active[best]) {
			best = i
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
		{"sed", []int{3, 2, 1}, 6},
		{"nq", []int{3, 2, 1}, 6},
		{"fo", []int{0, 1, 0}, 1},
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

func TestFlags(t *testing.T) {
	want := map[string][]string{"sh": {"sh-fallback", "sh-port"}, "mh": {"mh-fallback", "mh-port"}}
	for name := range strings.FieldsSeq("dh fo lblc lblcr lc mh nq ovf rr sed sh wlc wrr") {
		got, ok := table.Flags(name)
		if own := slices.DeleteFunc(got, func(f string) bool { return strings.HasPrefix(f, "flag-") }); !ok || !slices.Equal(own, want[name]) {
			t.Errorf("%s: known %v, own flags %v, want %v", name, ok, own, want[name])
		}
	}
	if got := table.Schedulers(); len(got) != 13 {
		t.Errorf("schedulers %v, want the kernel's thirteen", got)
	}
	if _, ok := table.Flags("none"); ok {
		t.Error("there is a scheduler none")
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
		for _, servers := range []int{2, 10, 100} {
			v := service(scheduler)
			for i := range servers {
				a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: netip.AddrPortFrom(a, 80), Weight: 1 + i%7})
			}
			b.Run(fmt.Sprintf("%s/%d", scheduler, servers), func(b *testing.B) {
				s := table.New(v)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c, _ := s.Pick(client(i), nil)
					c.Done()
				}
			})
		}
	}
}

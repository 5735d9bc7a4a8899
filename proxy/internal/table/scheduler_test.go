package table_test

import (
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

// After any concurrent calls nothing is left in the end.
func TestChangesWhilePicking(t *testing.T) {
	for _, scheduler := range table.Schedulers() {
		t.Run(scheduler, func(t *testing.T) {
			with := func(weights ...int) dataplane.VirtualService {
				v := service(scheduler, weights...)
				v.Persistent, v.PersistentBits, v.ExpireQuiescent = 1, 32, true
				return v
			}
			s := table.New(with(3, 2, 1))
			var all sync.WaitGroup
			for n := range 4 {
				all.Go(func() {
					var held []table.Claim
					for i := range 500 {
						if c, ok := s.Pick(client(n*100+i%50), nil); ok {
							held = append(held, c)
						}
						if len(held) > 20 {
							held[0].Done()
							held = held[1:]
						}
					}
					for _, c := range held {
						c.Done()
					}
				})
			}
			all.Go(func() {
				for i := range 100 {
					s.Update(with([][]int{{3, 0, 1}, {-1, 2, 1}, {1, 2, -1, 4}, {0, 0, 0}, {3, 2, 1}}[i%5]...))
					s.Expire()
				}
			})
			all.Wait()
			s.Update(with(1, 1, 1))
			s.Expire()
			for i, sv := range s.Status().Servers {
				if sv.Active != 0 || sv.Persistent != 0 {
					t.Errorf("%c has %d connections and %d clients, want none", 'A'+i, sv.Active, sv.Persistent)
				}
			}
			if n := table.Pins(s); n != 0 {
				t.Errorf("%d clients are remembered, want none", n)
			}
		})
	}
}

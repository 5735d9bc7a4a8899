package table_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// TestGrowingWeight: the last server comes back with a weight that grows by
// tenths of the others', as in a slow start. Whether one client or thousands come
// between two steps, it gets about its share of them, although wrr begins its
// pass again with each step.
func TestGrowingWeight(t *testing.T) {
	for _, scheduler := range []string{"wrr", "wlc", "sed", "nq"} {
		for _, perStep := range []int{1, 3, 10, 37, 1000} {
			for _, others := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s, %d clients a step, %d others", scheduler, perStep, others), func(t *testing.T) {
					r := newRamp(scheduler, others)
					for step := 1; step <= 9; step++ {
						r.step(step, perStep)
					}
					// A pass of at most eleven levels may be ahead or behind by one at each
					// step.
					if got, want := float64(r.came), r.want; math.Abs(got-want) > 9 {
						t.Errorf("%v clients came while it grew, want about %.1f", got, want)
					}
					if got := r.last(perStep * 10 * (others + 1)); got != perStep*10 {
						t.Errorf("%d of %d clients came afterwards", got, perStep*10*(others+1))
					}
				})
			}
		}
	}
}

// A ramp is a service whose last server grows.
type ramp struct {
	s         *table.Service
	scheduler string
	others    int
	clients   int
	came      int     // to the last server
	want      float64 // by its shares
}

func newRamp(scheduler string, others int) *ramp {
	r := &ramp{s: table.New(service(scheduler, weights(others, 1)...)), scheduler: scheduler, others: others}
	r.pick(97) // somewhere in the pass
	return r
}

func weights(others, each int, more ...int) []int {
	var all []int
	for range others {
		all = append(all, each)
	}
	return append(all, more...)
}

// step lets n clients come while the last server has so many tenths.
func (r *ramp) step(tenths, n int) {
	r.s.Update(service(r.scheduler, weights(r.others, 10, tenths)...))
	r.came += r.pick(n)
	r.want += float64(n) * float64(tenths) / float64(10*r.others+tenths)
}

// last returns how many of n clients come to the last server in the end.
func (r *ramp) last(n int) int {
	r.s.Update(service(r.scheduler, weights(r.others, 1, 1)...))
	return r.pick(n)
}

// pick lets n clients come and go, and returns how many the last server got.
func (r *ramp) pick(n int) int {
	came := 0
	var claims []table.Claim
	for range n {
		c, _ := r.s.Pick(client(r.clients), nil)
		r.clients++
		if c.Addr() == addrOf(rune('A'+r.others)) {
			came++
		}
		claims = append(claims, c)
	}
	for _, c := range claims {
		c.Done()
	}
	return came
}

package bench

import (
	"fmt"
	"math"

	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// tolerance is how far a real server's share may be from its weight: that many
// connections are under way when a round begins and ends.
const tolerance = 0.02

// unfair returns how connections were distributed if that is not what rr or wrr
// promise, "" if it is. The answers of real servers show the share; only packets
// show the sequence.
func (r *Runner) unfair(m result.Measure) string {
	if m.Scenario != "connections" || m.Subject == subject.Direct || r.Scheduler != "wrr" && r.Scheduler != "rr" {
		return ""
	}
	got := make([]uint64, len(r.Weights))
	for _, round := range m.Rounds {
		for n, count := range round.Reals {
			if n >= 0 && n < len(got) {
				got[n] += count
			}
		}
	}
	return verdict(got, promised(r.Weights, r.Scheduler))
}

// promised returns the share of each real server by its weight.
func promised(weights []int, scheduler string) []float64 {
	shares, sum := make([]float64, len(weights)), 0.0
	for i, w := range weights {
		if scheduler == "rr" {
			w = min(w, 1)
		}
		shares[i] = float64(w)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

func verdict(got []uint64, promised []float64) string {
	var all uint64
	for _, n := range got {
		all += n
	}
	if all < 500 {
		return "" // too few to say
	}
	for i, n := range got {
		share := float64(n) / float64(all)
		if math.Abs(share-promised[i]) > tolerance {
			return fmt.Sprintf("wrong distribution: real server %d got %.1f %% of the connections, and its weight promises %.1f %%", i+1, 100*share, 100*promised[i])
		}
	}
	return ""
}

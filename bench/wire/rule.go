package wire

import (
	"slices"
)

// turn returns the sequence that rr and wrr repeat for ever, nothing for other
// schedulers. It is the kernel's (ip_vs_wrr.c): a threshold goes down from the
// largest weight in steps of the greatest common divisor, and at each step
// everybody gets a connection whose weight reaches it.
func turn(scheduler string, weights []int) (out []int) {
	equal := scheduler == "rr"
	if !equal && scheduler != "wrr" {
		return nil
	}
	var most, step int
	for _, w := range weights {
		most, step = max(most, share(w, equal)), gcd(step, share(w, equal))
	}
	for threshold := most; threshold > 0; threshold -= step {
		for i, w := range weights {
			if share(w, equal) >= threshold {
				out = append(out, i)
			}
		}
	}
	return out
}

func share(weight int, equal bool) int {
	if equal {
		return min(weight, 1)
	}
	return weight
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// follow repeats turn as often as seq is long, beginning where seq can have
// been begun so that it keeps to the rule longest. It returns for how long.
func follow(turn, seq []int) (rule []int, kept int) {
	best := -1
	var from int
	for start := range turn {
		if n := agree(turn, seq, start); n > best {
			best, from = n, start
		}
	}
	for i := range seq {
		rule = append(rule, turn[(from+i)%len(turn)])
	}
	return rule, max(best, 0)
}

func agree(turn, seq []int, start int) int {
	for i, real := range seq {
		if real != turn[(start+i)%len(turn)] {
			return i
		}
	}
	return len(seq)
}

// held returns how many of n connections that all stay open each real server
// gets by a scheduler that looks at them, or nothing for other schedulers.
func held(scheduler string, weights []int, n int) []uint64 {
	cost := costs[scheduler]
	if cost == nil || !slices.ContainsFunc(weights, func(w int) bool { return w > 0 }) {
		return nil
	}
	out := make([]uint64, len(weights))
	for range n {
		best := -1
		for i, w := range weights {
			if w > 0 && (best < 0 || cost(out[i], w) < cost(out[best], weights[best])) {
				best = i
			}
		}
		out[best]++
	}
	return out
}

// costs are what the schedulers compare: the smallest is taken.
var costs = map[string]func(connections uint64, weight int) float64{
	"lc":  func(n uint64, _ int) float64 { return float64(n) },
	"wlc": func(n uint64, w int) float64 { return float64(n) / float64(w) },
	"sed": func(n uint64, w int) float64 { return float64(n+1) / float64(w) },
	"nq":  nq,
	"fo":  func(_ uint64, w int) float64 { return -float64(w) },
	"ovf": ovf,
}

func nq(n uint64, w int) float64 {
	if n == 0 {
		return 0
	}
	return float64(n+1) / float64(w)
}

// ovf goes by weight among those with fewer connections than that.
func ovf(n uint64, w int) float64 {
	if n >= uint64(w) {
		return 1
	}
	return -float64(w)
}

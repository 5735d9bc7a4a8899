package wire

import (
	"slices"
)

// cycle returns the sequence that rr and wrr repeat for ever, nothing for other
// schedulers. It is the kernel's (ip_vs_wrr.c): a threshold goes down from the
// largest weight in steps of the greatest common divisor, and at each step
// every real server whose weight reaches it gets a connection.
func cycle(scheduler string, weights []int) (out []int) {
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

// align repeats cycle for the length of seq, from the start at which seq agrees
// with it longest, and returns for how long it does.
func align(cycle, seq []int) (rule []int, kept int) {
	best := -1
	var from int
	for start := range cycle {
		if n := agree(cycle, seq, start); n > best {
			best, from = n, start
		}
	}
	for i := range seq {
		rule = append(rule, cycle[(from+i)%len(cycle)])
	}
	return rule, max(best, 0)
}

func agree(cycle, seq []int, start int) int {
	for i, real := range seq {
		if real != cycle[(start+i)%len(cycle)] {
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

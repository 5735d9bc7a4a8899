package bench

import (
	"math"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
)

// tally fills in what new connections (fresh) and kept ones say of a fault that
// happened at seconds after their begin.
func tally(f *result.Failover, fresh, kept load.Outcome, at float64) {
	f.Requests, f.Lost, f.Broken = fresh.Operations+fresh.Errors, fresh.Errors, kept.Broken
	f.Last = last(fresh.Timeline, at)
	f.Timeline = coarse(fresh.Timeline, at)
}

// last returns the seconds from the fault to the begin of the moment in which
// the last request that was lost was to start; one that was already under way
// when the fault came counts as 0.
func last(timeline []result.Moment, at float64) float64 {
	var seconds float64
	for _, m := range timeline {
		if m.Lost > 0 {
			seconds = max(seconds, m.At-at)
		}
	}
	return seconds
}

// early returns how many requests were lost that were to start before a moment.
func early(timeline []result.Moment, before float64) (lost uint64) {
	for _, m := range timeline {
		if m.At < before {
			lost += m.Lost
		}
	}
	return lost
}

// coarse returns moments of a tenth of a second, counted from the fault.
func coarse(timeline []result.Moment, at float64) []result.Moment {
	var all []result.Moment
	for _, m := range timeline {
		begin := math.Floor((m.At-at)*momentRate) / momentRate
		if n := len(all); n == 0 || all[n-1].At != begin {
			all = append(all, result.Moment{At: begin})
		}
		all[len(all)-1].Good += m.Good
		all[len(all)-1].Lost += m.Lost
	}
	return all
}

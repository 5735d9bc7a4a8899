package recent

import (
	"time"
)

// bounds are the upper bounds of a histogram of checks, in order. What
// takes longer than the last is counted as well.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// A Durations is a histogram of how long checks took.
type Durations struct {
	counts [len(bounds) + 1]uint64
	sum    time.Duration
}

// Add counts a check that took so long.
func (d *Durations) Add(took time.Duration) {
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	d.counts[i]++
	d.sum += took
}

// Each calls f with each bound of the histogram, in order, and how many checks took
// so long at most. It returns how many there are and how long they took together.
func (d *Durations) Each(f func(bound time.Duration, count uint64)) (count uint64, sum time.Duration) {
	for i, n := range d.counts {
		count += n
		if i < len(bounds) {
			f(bounds[i], count)
		}
	}
	return count, d.sum
}

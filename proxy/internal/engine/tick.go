package engine

import "time"

const (
	// TickLength is the resolution of timeouts: they come up to two ticks late
	// and never early.
	TickLength = 100 * time.Millisecond
	// LookEvery is the greatest number of ticks between two looks at a
	// connection, so that a shorter idle timeout is soon in force.
	LookEvery = 100
)

// Longest is longer than any useful timeout and fits the arithmetic of ticks.
const Longest = TickLength << 30

// Ticks returns the number of ticks that have to begin until d is over.
func Ticks(d time.Duration) uint32 {
	d = min(max(d, 0), Longest)
	return uint32((d+TickLength-1)/TickLength) + 1
}

package engine

import "time"

const (
	// TickLength is how coarse timeouts are: they come up to two ticks late
	// and never early.
	TickLength = 100 * time.Millisecond
	// LookEvery is the number of ticks after which a connection is looked at
	// at the latest, so that a shorter idle timeout is soon in force.
	LookEvery = 100
)

// Longest is more than a timeout of any use and fits the arithmetic of ticks.
const Longest = TickLength << 30

// Ticks returns how many ticks have to begin for d to be over.
func Ticks(d time.Duration) uint32 {
	d = min(max(d, 0), Longest)
	return uint32((d+TickLength-1)/TickLength) + 1
}

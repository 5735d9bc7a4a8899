package loop

import "time"

const (
	// tickLength is how coarse timeouts are: they come up to two ticks late
	// and never early.
	tickLength = 100 * time.Millisecond
	// lookEvery is the number of ticks after which a connection is looked at
	// at the latest, so that a shorter idle timeout is soon in force.
	lookEvery = 100
)

// longest is more than a timeout of any use and fits the arithmetic of ticks.
const longest = tickLength << 30

// ticks returns how many ticks have to begin for d to be over.
func ticks(d time.Duration) uint32 {
	d = min(max(d, 0), longest)
	return uint32((d+tickLength-1)/tickLength) + 1
}

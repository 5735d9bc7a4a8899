package engine

import (
	"testing"
	"time"
)

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		0:                          1,
		1:                          2,
		TickLength:                 2,
		TickLength + 1:             3,
		365 * 24 * time.Hour:       315_360_000 + 1,
		100 * 365 * 24 * time.Hour: 1<<30 + 1,
		1<<63 - 1:                  1<<30 + 1,
		-1:                         1,
		-365 * 24 * time.Hour:      1,
	} {
		if n := Ticks(d); n != want {
			t.Errorf("%v takes %d ticks, want %d", d, n, want)
		}
	}
}

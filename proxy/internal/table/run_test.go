package table

import (
	"sync"
	"testing"
)

// A run counts failures between which the number of successes does not change, by
// many at once, and begins anew when it is full.
func TestRun(t *testing.T) {
	var r run
	for i, c := range []struct {
		successes uint64
		want      int
	}{{0, 1}, {0, 2}, {1, 1}, {1, 2}, {1, 3}, {1 << 48, 1}, {1 << 48, 2}} {
		if got := r.add(c.successes); got != c.want {
			t.Errorf("step %d: %d in a row, want %d", i, got, c.want)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10000 {
				r.add(7)
			}
		})
	}
	all.Wait()
	if got := r.add(7); got != 40001 {
		t.Errorf("%d in a row, want 40001", got)
	}
	for range 0xffff - 40001 {
		r.add(7)
	}
	if got := r.add(7); got != 1 {
		t.Errorf("%d in a row beyond what it counts, want 1", got)
	}
}

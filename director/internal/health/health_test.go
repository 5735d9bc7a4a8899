package health

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHealth(t *testing.T) {
	for _, tt := range []struct {
		results    string // + success, - failure
		fall, rise int
		want       string // U up, d down, after each result
	}{
		{"+-+-", 1, 1, "UdUd"},
		{"-+", 1, 1, "dU"},
		{"+--+---", 3, 1, "UUUUUUd"},
		{"+-+-+-", 2, 1, "UUUUUU"},
		{"++-+", 1, 2, "dUdd"},
		{"+-++", 1, 2, "dddU"},
		{"+", 0, 0, "U"},
	} {
		var h Health
		var got strings.Builder
		for _, r := range tt.results {
			h.Observe(r == '+', tt.fall, tt.rise)
			got.WriteByte("dU"[b2i(h.Up)])
		}
		if got.String() != tt.want {
			t.Errorf("%s with fall %d rise %d: %s, want %s", tt.results, tt.fall, tt.rise, got.String(), tt.want)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The state after any history is that of the latest run of results long
// enough to decide.
func TestHealthAgainstHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fall, rise := rapid.IntRange(1, 4).Draw(t, "fall"), rapid.IntRange(1, 4).Draw(t, "rise")
		history := rapid.SliceOf(rapid.Bool()).Draw(t, "history")
		var h Health
		for i, ok := range history {
			before := h.Up
			if changed := h.Observe(ok, fall, rise); changed != (before != h.Up) {
				t.Fatalf("result %d: changed %v, but %v became %v", i, changed, before, h.Up)
			}
			if want := decided(history[:i+1], fall, rise); h.Up != want {
				t.Fatalf("after %v: up %v, want %v", history[:i+1], h.Up, want)
			}
		}
	})
}

// decided looks for the latest run that was long enough, backwards.
func decided(history []bool, fall, rise int) bool {
	for end := len(history); end > 0; end-- {
		run := 1
		for run < end && history[end-1-run] == history[end-1] {
			run++
		}
		if ok := history[end-1]; ok && run >= rise || !ok && run >= fall {
			return ok
		}
	}
	return false
}

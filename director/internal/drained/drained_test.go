package drained_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/drained"
)

var start = time.Date(2026, 11, 30, 14, 30, 0, 0, time.UTC)

// TestNobodyIsOverlooked: whatever the looks find, a drain is over only if nobody
// was there at any look within the lag of the figures before, and nobody came.
func TestNobodyIsOverlooked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w drained.Watch
		var looks []drained.Look
		lag := rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "lag")
		at, made := start, uint64(0)
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 1500).Draw(t, "ms")) * time.Millisecond)
			made += uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "made"))
			one := rapid.SampledFrom([]int{0, 0, 0, 2})
			l := drained.Look{
				At: at, Since: start, Made: made, Lag: lag,
				Active: one.Draw(t, "active"), Inactive: one.Draw(t, "inactive"), Pinned: one.Draw(t, "pinned"),
			}
			looks = append(looks, l)
			if got, want := w.Over(drained.Connections, l), quiet(looks, max(lag, 200*time.Millisecond)); got != want {
				t.Fatalf("look %d: over %v, want %v; all looks: %+v", len(looks), got, want, looks)
			}
		}
	})
}

// quiet reports whether the last looks, over a time, found no client and no new
// connection.
func quiet(looks []drained.Look, over time.Duration) bool {
	last := looks[len(looks)-1]
	for _, l := range slices.Backward(looks) {
		if l.Active+l.Pinned > 0 || l.Made != last.Made {
			return false
		}
		if last.At.Sub(l.At) >= over {
			return true
		}
	}
	return false
}

// TestFlowsHaveToMove: flows of UDP end only after the server has left.
func TestFlowsHaveToMove(t *testing.T) {
	var w drained.Watch
	for i, step := range []struct {
		left           bool
		active         int
		inactive, over bool
	}{
		{active: 3}, {}, {}, {left: true, active: 1}, {left: true, inactive: true}, {left: true}, {left: true, over: true},
	} {
		l := drained.Look{At: start.Add(time.Duration(i) * time.Second), Since: start, Left: step.left, Active: step.active}
		if step.inactive {
			l.Inactive = 1
		}
		if got := w.Over(drained.Flows, l); got != step.over {
			t.Errorf("step %d: over %v, want %v", i, got, step.over)
		}
	}
}

// TestPacketsNeedTimeAlone: one-packet scheduling has neither connections nor flows.
func TestPacketsNeedTimeAlone(t *testing.T) {
	var w drained.Watch
	for after, want := range map[time.Duration]bool{0: false, 2900 * time.Millisecond: false, 3 * time.Second: true} {
		if got := w.Over(drained.Packets, drained.Look{At: start.Add(after), Since: start, Active: 7}); got != want {
			t.Errorf("after %v: over %v, want %v", after, got, want)
		}
	}
}

func TestRuleOf(t *testing.T) {
	for _, tt := range []struct {
		id   dataplane.ServiceID
		ops  bool
		want drained.Rule
	}{
		{dataplane.ServiceID{Protocol: dataplane.TCP}, false, drained.Connections},
		{dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1}, false, drained.Connections},
		{dataplane.ServiceID{Protocol: dataplane.UDP}, false, drained.Flows},
		{dataplane.ServiceID{Protocol: dataplane.UDP}, true, drained.Packets},
	} {
		if got := drained.RuleOf(tt.id, tt.ops); got != tt.want {
			t.Errorf("RuleOf(%v, %v) = %v, want %v", tt.id, tt.ops, got, tt.want)
		}
	}
}

package bench

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
)

func TestTally(t *testing.T) {
	fresh := load.Outcome{Operations: 9, Errors: 3, Timeline: []result.Moment{
		{At: 0.75, Good: 2}, {At: 0.95, Lost: 1}, {At: 1, Good: 3}, {At: 1.0625, Lost: 1}, {At: 1.25, Good: 4, Lost: 1}, {At: 1.5},
	}}
	var got result.Failover
	tally(&got, fresh, load.Outcome{Broken: 7}, 1)
	want := result.Failover{Requests: 12, Lost: 3, Broken: 7, Last: 0.25, Timeline: []result.Moment{
		{At: -0.3, Good: 2}, {At: -0.1, Lost: 1}, {At: 0, Good: 3, Lost: 1}, {At: 0.2, Good: 4, Lost: 1}, {At: 0.5},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if at := last([]result.Moment{{At: 0.5, Lost: 1}}, 1); at != 0 {
		t.Errorf("the last loss was before the fault, not %v s after it", at)
	}
	if n := early(fresh.Timeline, 1); n != 1 {
		t.Errorf("%d lost before the fault, want 1", n)
	}
}

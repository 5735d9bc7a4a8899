package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
)

// No receiver gets more than the limit in its time, and everything is sent or
// told of as held back, with what is left at a stop.
func TestLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := dataplane.Rate{Count: rapid.IntRange(1, 5).Draw(rt, "count"), Per: time.Minute}
		var l Limits
		now := time.Unix(1_700_000_000, 0)
		asked, told := map[string]int{}, map[string]int{}
		sent := map[string][]time.Time{}
		for range rapid.IntRange(0, 200).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "pause")) * time.Second)
			if rapid.Bool().Draw(rt, "tick") {
				l.Due(now, limit)
				continue
			}
			to := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "to")
			asked[to]++
			l.Take(now, limit, to, func(held int) {
				told[to] += 1 + held
				sent[to] = append(sent[to], now)
			})
		}
		for to, times := range sent {
			for i := 2 * limit.Count; i < len(times); i++ {
				if times[i].Sub(times[i-2*limit.Count]) < limit.Per {
					rt.Fatalf("%s got %d within %s", to, 2*limit.Count+1, times[i].Sub(times[i-2*limit.Count]))
				}
			}
		}
		l.Flush()
		for to, n := range asked {
			if told[to] != n {
				rt.Fatalf("%s was told of %d of %d", to, told[to], n)
			}
		}
	})
}

// Receivers are forgotten once their time is over, also without a limit.
func TestLimitsForget(t *testing.T) {
	var l Limits
	now := time.Unix(1_700_000_000, 0)
	for i := range 1000 {
		l.Take(now, dataplane.Rate{Count: 1, Per: time.Minute}, fmt.Sprint(i), func(int) {})
	}
	l.Due(now.Add(time.Hour), dataplane.Rate{Count: 1, Per: time.Minute})
	if len(l.receivers) != 0 {
		t.Errorf("%d receivers are kept", len(l.receivers))
	}
	told := 0
	l.Take(now, dataplane.Rate{Count: 1, Per: time.Minute}, "x", func(int) {})
	l.Take(now, dataplane.Rate{Count: 1, Per: time.Minute}, "x", func(int) { told++ })
	l.Due(now, dataplane.Rate{}) // a reload has taken the limit away
	if told != 1 {
		t.Error("what was held back is lost when the limit goes")
	}
}

package report_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/bench/result"
)

// runs are any that have the form of one, however unlikely, with most of each
// kind of result.
func runs(most int) *rapid.Generator[result.Run] {
	return rapid.Custom(func(t *rapid.T) result.Run {
		return result.Run{
			Version:    result.Version,
			Began:      time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "began"), 0).UTC(),
			Seconds:    rapid.Float64().Draw(t, "seconds"),
			Command:    rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "command"),
			Machine:    rapid.Make[result.Machine]().Draw(t, "machine"),
			Pinning:    rapid.String().Draw(t, "pinning"),
			Limits:     rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "limits"),
			Measures:   rapid.SliceOfN(rapid.Make[result.Measure](), 0, most).Draw(t, "measures"),
			Schedulers: rapid.SliceOfN(rapid.Make[result.Scheduler](), 0, most).Draw(t, "schedulers"),
			Rewrites:   rapid.SliceOfN(rapid.Make[result.Rewrite](), 0, most).Draw(t, "rewrites"),
			Failovers:  rapid.SliceOfN(rapid.Make[result.Failover](), 0, most).Draw(t, "failovers"),
			Checks:     rapid.SliceOfN(rapid.Make[result.Checks](), 0, most).Draw(t, "checks"),
		}
	})
}

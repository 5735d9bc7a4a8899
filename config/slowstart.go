package config

import (
	"fmt"
	"slices"
	"time"
)

// byShare are the schedulers for which twice the weight is twice the traffic.
var byShare = []string{"wrr", "wlc", "sed", "nq"}

// Ramp returns how long a real server that comes back takes to its whole
// weight: slowstart, or 0 with a scheduler for which half of a weight is not
// half of the traffic.
func (v *Virtual) Ramp() time.Duration {
	if !slices.Contains(byShare, v.Scheduler) {
		return 0
	}
	return v.SlowStart
}

// reviewSlowStart warns of a section's own slowstart that does nothing. What
// was meant for all sections is meant for those it suits.
func (p *parser) reviewSlowStart(sec *section, v *Virtual) {
	if s := sec.line("slowstart"); s != &sec.head && v.SlowStart > 0 && v.Ramp() == 0 {
		p.warn(s, s.keyAt, fmt.Sprintf("`slowstart` has no effect with scheduler %s", v.Scheduler), "it needs wrr, wlc, sed or nq, where weights are shares")
	}
}

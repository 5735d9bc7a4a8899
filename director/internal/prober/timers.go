package prober

import "time"

// timers drive a prober in a goroutine of its own, for checks that all have one.
type timers struct{ woken chan struct{} }

func newTimers() *timers { return &timers{make(chan struct{}, 1)} }

// Run calls look until that returns false: at the beginning, when the time is
// over that it returned last, and after Wake.
func (tm *timers) Run(look func() (time.Duration, bool)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		after, ok := look()
		if !ok {
			return
		}
		if after < 0 {
			after = time.Hour
		}
		timer.Reset(after)
		select {
		case <-timer.C:
		case <-tm.woken:
		}
	}
}

// Wake has look called soon.
func (tm *timers) Wake() {
	select {
	case tm.woken <- struct{}{}:
	default:
	}
}

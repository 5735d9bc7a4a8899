package director

import (
	"log/slog"
	"math"
	"time"
)

// rampSteps is the number of steps of a slow start. Each adds an equal part of the
// weight.
const rampSteps = 10

// A ramp is the slow start of a real server that comes back. The zero value
// is one that has its whole weight and was never seen out of use.
type ramp struct {
	out  bool      // seen out of use, by a check or the operator, and not in use since
	from time.Time // when it came back, zero if nothing is under way
	step int       // parts of the weight in use, 0 for all
}

// set starts the slow start of a server that has been out of use and is up, and
// ends that of one that is down.
func (r *ramp) set(now time.Time, up bool, length time.Duration) {
	back := up && r.out && length > 0
	*r = ramp{out: !up}
	if back {
		r.from, r.step = now, 1
	}
}

// advance sets the step for the time now, and reports whether it has grown. It
// never falls, also if a reload makes the ramp longer.
func (r *ramp) advance(now time.Time, length time.Duration) bool {
	if r.step == 0 {
		return false
	}
	was, gone := r.step, now.Sub(r.from)
	if gone >= length {
		*r = ramp{}
		return true
	}
	r.step = max(was, 1+int(gone*(rampSteps-1)/length))
	return r.step > was
}

// updateRamp starts or ends the slow start of a server whose state has changed.
func (s *server) updateRamp(now time.Time, sv *service, log *slog.Logger) {
	length := sv.conf.Ramp()
	if s.inUse() && !s.seldom().ramp.out && s.seldom().ramp.step == 0 {
		return
	}
	s.own().ramp.set(now, s.inUse(), length)
	if s.own().ramp.step > 0 {
		log.Info("slow start begins", "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "duration", length)
	}
}

// advanceRamps advances the slow starts of a service, and reports whether a weight
// has changed.
func (sv *service) advanceRamps(now time.Time, log *slog.Logger) bool {
	more := false
	for _, s := range sv.servers {
		if s.seldom().ramp.step == 0 || !s.own().ramp.advance(now, sv.conf.Ramp()) {
			continue
		}
		more = true
		if s.seldom().ramp.step == 0 {
			log.Info("slow start is over", "service", sv.conf.ID.String(), "real", s.conf.Addr.String())
		}
	}
	return more
}

// scale returns the factor of all weights of a service while a slow start makes a
// difference, so that a weight of 1 has tenths; 0 while none does: a single server
// gets all clients whatever its weight.
func (sv *service) scale() int {
	usable, slow, greatest := 0, false, 1
	for _, s := range sv.servers {
		greatest = max(greatest, s.fullWeight(), s.weight())
		if s.usable() {
			usable++
			slow = slow || s.seldom().ramp.step > 0
		}
	}
	if !slow || usable < 2 {
		return 0
	}
	// The same for all that happens under one configuration: rounding takes
	// nothing away from a weight when another ramp begins or ends.
	return max(1, min(rampSteps, math.MaxUint16/greatest))
}

// scaled returns the weight in force, multiplied by scale.
func (s *server) scaled(scale int) int {
	w := s.weight()
	if w == 0 || scale == 0 {
		return w
	}
	w *= scale
	if step := s.seldom().ramp.step; step > 0 {
		w = max(1, w*step/rampSteps)
	}
	return w
}

// slowed returns the share of its weight that a server has during a slow start, 0
// outside of one.
func (s *server) slowed(scale int) float64 {
	if scale == 0 || !s.usable() {
		return 0
	}
	return float64(s.seldom().ramp.step) / rampSteps
}

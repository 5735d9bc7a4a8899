package director

import (
	"math"
	"time"
)

// rampSteps is how many steps a slow start has: it begins with one part of so
// many of the weight and adds as much with each.
const rampSteps = 10

// A ramp is the slow start of a real server that comes back. The zero value
// is one that has its whole weight and was never seen out of use.
type ramp struct {
	out  bool      // seen out of use, by a check or the operator, and not in use since
	from time.Time // when it came back, zero if nothing is under way
	step int       // parts of the weight, 0 for all of it
}

// turn begins the slow start of a server that has been out of use and is up,
// and ends that of one that is not any more.
func (r *ramp) turn(now time.Time, up bool, length time.Duration) {
	back := up && r.out && length > 0
	*r = ramp{out: !up}
	if back {
		r.from, r.step = now, 1
	}
}

// advance brings the weight to what it is at now, and reports whether that is
// more than it was. It never falls, also if a reload makes the ramp longer.
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

// turn lets a server whose state has changed begin or end its slow start.
func (c *cluster) turn(now time.Time, sv *service, s *server) {
	length := sv.conf.Ramp()
	s.ramp.turn(now, s.state() == Up, length)
	if s.ramp.step > 0 {
		c.log.Info("slow start begins", "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "duration", length)
	}
}

// advance lets the slow starts of a service go on, and reports whether a
// weight follows from that.
func (c *cluster) advance(now time.Time, sv *service) bool {
	more := false
	for _, s := range sv.servers {
		if !s.ramp.advance(now, sv.conf.Ramp()) {
			continue
		}
		more = true
		if s.ramp.step == 0 {
			c.log.Info("slow start is over", "service", sv.conf.ID.String(), "real", s.conf.Addr.String())
		}
	}
	return more
}

// scale is what all weights of a service are multiplied by while a slow start
// makes a difference, so that a weight of 1 has its tenths; 0 while none does:
// a server that is alone gets everything whatever its weight.
func (sv *service) scale() int {
	usable, slow, greatest := 0, false, 1
	for _, s := range sv.servers {
		greatest = max(greatest, s.conf.Weight)
		if s.usable() {
			usable++
			slow = slow || s.ramp.step > 0
		}
	}
	if !slow || usable < 2 {
		return 0
	}
	// The same for all that happens under one configuration: rounding takes
	// nothing away from a weight when another ramp begins or ends.
	return max(1, min(rampSteps, math.MaxUint16/greatest))
}

// scaled is the weight in force as the dataplane is told it.
func (s *server) scaled(scale int) int {
	w := s.weight()
	if w == 0 || scale == 0 {
		return w
	}
	w *= scale
	if s.ramp.step > 0 {
		w = max(1, w*s.ramp.step/rampSteps)
	}
	return w
}

// slowed is the share of its weight that a server in a slow start has, 0 for
// one that is in none.
func (s *server) slowed(scale int) float64 {
	if scale == 0 || !s.usable() {
		return 0
	}
	return float64(s.ramp.step) / rampSteps
}

package director

// A health is what consecutive check results make of a real server. It is a
// pure state machine: results in, up or down out. The zero value is down and
// has seen no check.
type health struct {
	up bool
	// fails and rises count consecutive results; at most one is above 0.
	fails, rises int
	// failed: while it is down a check has failed, so that it is not merely
	// waiting for its first one.
	failed bool
}

// observe takes in one result and reports whether the server has changed
// between up and down. fall failures in a row bring it down, rise successes
// in a row bring it up; less than 1 is taken for 1.
func (h *health) observe(ok bool, fall, rise int) bool {
	if ok {
		h.fails, h.rises = 0, h.rises+1
		return h.turn(true, h.rises >= rise)
	}
	h.fails, h.rises = h.fails+1, 0
	turned := h.turn(false, h.fails >= fall)
	h.failed = !h.up
	return turned
}

func (h *health) turn(up, enough bool) bool {
	if h.up == up || !enough {
		return false
	}
	h.up, h.failed = up, false
	return true
}

// set forces the server up or down and forgets what was counted.
func (h *health) set(up bool) { *h = health{up: up} }

// undecided reports whether the latest results speak against the state in
// force without having overturned it yet.
func (h *health) undecided() bool {
	return h.up && h.fails > 0 || !h.up && h.rises > 0
}

package director

// A health is the state of a real server by consecutive check results. It is a
// pure state machine: results in, up or down out. The zero value is down without
// a check.
type health struct {
	up bool
	// fails and rises count consecutive results; at most one is above 0.
	fails, rises int
	// failed: a check has failed while it was down. If not, it only waits for its
	// first check.
	failed bool
}

// observe counts one result and reports whether the server has changed between up
// and down. fall failures in a row bring it down, rise successes in a row bring it
// up; less than 1 means 1.
func (h *health) observe(ok bool, fall, rise int) bool {
	if ok {
		h.fails, h.rises = 0, h.rises+1
		return h.change(true, h.rises >= rise)
	}
	h.fails, h.rises = h.fails+1, 0
	changed := h.change(false, h.fails >= fall)
	h.failed = !h.up
	return changed
}

func (h *health) change(up, enough bool) bool {
	if h.up == up || !enough {
		return false
	}
	h.up, h.failed = up, false
	return true
}

// set forces the server up or down and resets the counts.
func (h *health) set(up bool) { *h = health{up: up} }

// undecided reports whether the latest results contradict the state and are too
// few to change it.
func (h *health) undecided() bool {
	return h.up && h.fails > 0 || !h.up && h.rises > 0
}

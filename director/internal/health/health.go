// Package health judges a real server by the results of its checks.
package health

// A Health is the state of a real server by consecutive check results. It is a
// pure state machine: results in, up or down out. The zero value is down without
// a check.
type Health struct {
	Up bool
	// Fails and Rises count consecutive results; at most one is above 0.
	Fails, Rises int32
	// Failed: a check has failed while it was down. If not, it only waits for its
	// first check.
	Failed bool
}

// Observe counts one result and reports whether the server has changed between up
// and down. fall failures in a row bring it down, rise successes in a row bring it
// up; less than 1 means 1.
func (h *Health) Observe(ok bool, fall, rise int) bool {
	if ok {
		h.Fails, h.Rises = 0, h.Rises+1
		return h.change(true, int(h.Rises) >= rise)
	}
	h.Fails, h.Rises = h.Fails+1, 0
	changed := h.change(false, int(h.Fails) >= fall)
	h.Failed = !h.Up
	return changed
}

func (h *Health) change(up, enough bool) bool {
	if h.Up == up || !enough {
		return false
	}
	h.Up, h.Failed = up, false
	return true
}

// Set forces the server up or down and resets the counts.
func (h *Health) Set(up bool) { *h = Health{Up: up} }

// Undecided reports whether the latest results contradict the state and are too
// few to change it.
func (h *Health) Undecided() bool {
	return h.Up && h.Fails > 0 || !h.Up && h.Rises > 0
}

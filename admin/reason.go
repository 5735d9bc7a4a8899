package admin

import "github.com/shunt-lb/shunt/director"

// latestReason returns in one word, fit for a label, how r's latest check
// ended: "unchecked", "ok" or why it failed. METRICS.md explains the words.
func latestReason(r *director.ServerStatus) string {
	switch {
	case r.Checked.IsZero():
		return "unchecked"
	case r.Reason == "":
		return "ok"
	}
	return string(r.Reason)
}

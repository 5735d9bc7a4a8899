package text

import (
	"cmp"
	"fmt"

	"github.com/shunt-lb/shunt/director"
)

// Event returns an event in one line: when, which, of what service and real server, and
// why.
func Event(e director.Event) string {
	where := e.Service
	if e.Real != "" {
		where += "  " + e.Real
	}
	line := fmt.Sprintf("%s  %-13s  ", Clock(e.Time), e.Event)
	if where != "" {
		line += where + "  "
	}
	switch {
	case e.By == "":
		line += cmp.Or(e.Reason, e.Text)
	case e.Reason == "":
		line += e.Text + " by " + e.By
	default:
		line += e.Text + " by " + e.By + ": " + e.Reason
	}
	return Printable(line)
}

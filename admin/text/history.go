package text

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// RenderHistory writes the latest checks of real servers for people, one a
// line, the latest one first. Control characters come out as replacement
// characters. The error is w's.
func RenderHistory(w io.Writer, servers []director.ServerHistory, o Options) error {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r := renderer{Options: o}
	for i, s := range servers {
		if i > 0 {
			r.line("")
		}
		name := ""
		if s.Name != "" {
			name = " (" + s.Name + ")"
		}
		r.line("%s", r.paint(bold, s.Server+" in "+s.Service+name))
		c := green
		if s.State != director.Up {
			c = red
		}
		r.detail("  ", c, fmt.Sprintf("%s for %s: %s", s.State, Ago(o.Now, s.Since), s.Cause))
		for _, c := range slices.Backward(s.Checks) {
			r.check(c)
		}
		if len(s.Checks) == 0 {
			r.line("  not checked yet")
		}
	}
	_, err := w.Write(r.out.Bytes())
	return err
}

func (r *renderer) check(c director.CheckResult) {
	took := time.Duration(c.Duration).Round(10 * time.Microsecond)
	line := fmt.Sprintf("%s  %10s  ", Clock(c.Time), took)
	if c.Check != "" {
		line += c.Check + "  "
	}
	if c.OK {
		r.line("  %s%s", line, r.paint(green, "good"))
		return
	}
	text := string(c.Reason)
	if c.Result != "" {
		text += ": " + c.Result
	}
	r.line("  %s%s", line, r.paint(red, text))
}

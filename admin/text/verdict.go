package text

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// Verdict says in one line, as a plugin of Nagios does, how what f selects in st is
// at now, with the figures behind a bar, and returns the worst level of its
// problems.
func Verdict(st director.Status, f Filter, now time.Time) (string, Level) {
	selected := f.Of(st)
	problems := slices.DeleteFunc(Problems(st, now), func(p Problem) bool { return !f.concerns(p, selected) || p.Level == Note })
	s, all := Summary{Services: len(selected.Services)}, whole(st)
	for _, sv := range selected.Services {
		s.add(all[sv.Service], sv.Servers)
	}
	level, text := Note, s.OfServices()+"; "+s.OfServers()
	if len(problems) > 0 {
		worst := problems[0]
		level, text = worst.Level, worst.Subject+": "+worst.Text
	}
	if n := len(problems) - 1; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	line := fmt.Sprintf("SHUNT %s: %s", verdicts[level], strings.ReplaceAll(Printable(text), "|", "/"))
	return line + fmt.Sprintf(" | up=%d;;;0 down=%d kept=%d drained=%d maintenance=%d services=%d well=%d fallback=%d unusable=%d",
		s.Up, s.Down, s.Kept, s.Drained, s.Maintained, s.Services, s.Well, s.OnFallback, s.Unusable), level
}

var verdicts = [...]string{"OK", "WARNING", "CRITICAL"}

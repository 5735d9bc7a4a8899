package report

import (
	"fmt"
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

// findings returns the changes for the worse that have no rounds to test: missing
// figures, verdicts that were ok, and losses that were 0. It leaves counts that
// were not 0 before to the reader.
func findings(old, now result.Run) []string {
	return slices.Concat(
		found(old.Measures, now.Measures,
			func(m result.Measure) string { return fmt.Sprintf("%s, %s, %s", m.Scenario, m.Work, m.Subject) },
			func(_, _ result.Measure) string { return "" }),
		found(old.Schedulers, now.Schedulers,
			func(s result.Scheduler) string {
				return fmt.Sprintf("scheduler %s of %s, %s, weights %s", s.Name, s.Subject, s.Protocol, list(s.Weights, shown))
			},
			func(o, n result.Scheduler) string {
				if s := broken(o.Verdict, n.Verdict); s != "" {
					return s
				}
				return lost(o.Lost, n.Lost, fmt.Sprintf(": lost %d, none before", n.Lost))
			}),
		found(old.Rewrites, now.Rewrites,
			func(r result.Rewrite) string { return fmt.Sprintf("%s by %s, %s", r.Method, r.Subject, r.Family) },
			func(o, n result.Rewrite) string { return broken(o.Verdict, n.Verdict) }),
		found(old.Failovers, now.Failovers,
			func(f result.Failover) string { return fmt.Sprintf("failover of %s, %s", f.Subject, f.Fault) },
			func(o, n result.Failover) string {
				if s := lost(o.Lost, n.Lost, fmt.Sprintf(": lost %d of %d requests, none before", n.Lost, n.Requests)); s != "" {
					return s
				}
				return lost(o.Broken, n.Broken, fmt.Sprintf(": broke %d connections, none before", n.Broken))
			}))
}

// found returns the items of old that are missing in now, and those for which
// worse returns a text.
func found[T any](old, now []T, name func(T) string, worse func(old, now T) string) []string {
	have := make(map[string]T, len(now))
	for _, n := range now {
		have[name(n)] = n
	}
	var all []string
	for _, o := range old {
		n, ok := have[name(o)]
		if !ok {
			all = append(all, name(o)+": not measured any more")
		} else if s := worse(o, n); s != "" {
			all = append(all, name(o)+s)
		}
	}
	return all
}

func broken(old, now string) string {
	if old == "ok" && now != "ok" {
		return " was ok: " + now
	}
	return ""
}

func lost(old, now uint64, message string) string {
	if old == 0 && now > 0 {
		return message
	}
	return ""
}

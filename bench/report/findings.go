package report

import (
	"fmt"

	"github.com/shunt-lb/shunt/bench/result"
)

// findings says what got worse without rounds to test: what is not measured any
// more, verdicts that were ok, and losses that were none. A count that was not 0
// before and differs now is for the reader to judge.
func findings(old, now result.Run) []string {
	all := lostMeasures(old, now)
	all = append(all, lostSchedulers(old, now)...)
	all = append(all, lostRewrites(old, now)...)
	return append(all, lostFailovers(old, now)...)
}

// by returns xs by what tells them apart.
func by[T any](xs []T, name func(T) string) map[string]T {
	m := make(map[string]T, len(xs))
	for _, x := range xs {
		m[name(x)] = x
	}
	return m
}

const missing = ": not measured any more"

func lostMeasures(old, now result.Run) []string {
	name := func(m result.Measure) string {
		return fmt.Sprintf("%s, %s, %s", m.Scenario, m.Work, m.Subject)
	}
	have := by(now.Measures, name)
	var all []string
	for _, m := range old.Measures {
		if _, ok := have[name(m)]; !ok {
			all = append(all, name(m)+missing)
		}
	}
	return all
}

func lostSchedulers(old, now result.Run) []string {
	name := func(s result.Scheduler) string {
		return fmt.Sprintf("scheduler %s of %s, %s, weights %s", s.Name, s.Subject, s.Protocol, list(s.Weights, shown))
	}
	have := by(now.Schedulers, name)
	var all []string
	for _, s := range old.Schedulers {
		n, ok := have[name(s)]
		switch {
		case !ok:
			all = append(all, name(s)+missing)
		case s.Verdict == "ok" && n.Verdict != "ok":
			all = append(all, name(s)+" was ok: "+n.Verdict)
		case s.Lost == 0 && n.Lost > 0:
			all = append(all, fmt.Sprintf("%s: lost %d, none before", name(s), n.Lost))
		}
	}
	return all
}

func lostRewrites(old, now result.Run) []string {
	name := func(r result.Rewrite) string {
		return fmt.Sprintf("%s by %s, %s", r.Method, r.Subject, r.Family)
	}
	have := by(now.Rewrites, name)
	var all []string
	for _, r := range old.Rewrites {
		n, ok := have[name(r)]
		switch {
		case !ok:
			all = append(all, name(r)+missing)
		case r.Verdict == "ok" && n.Verdict != "ok":
			all = append(all, name(r)+" was ok: "+n.Verdict)
		}
	}
	return all
}

func lostFailovers(old, now result.Run) []string {
	name := func(f result.Failover) string {
		return fmt.Sprintf("failover of %s, %s", f.Subject, f.Fault)
	}
	have := by(now.Failovers, name)
	var all []string
	for _, f := range old.Failovers {
		n, ok := have[name(f)]
		switch {
		case !ok:
			all = append(all, name(f)+missing)
		case f.Lost == 0 && n.Lost > 0:
			all = append(all, fmt.Sprintf("%s: lost %d of %d requests, none before", name(f), n.Lost, n.Requests))
		case f.Broken == 0 && n.Broken > 0:
			all = append(all, fmt.Sprintf("%s: broke %d connections, none before", name(f), n.Broken))
		}
	}
	return all
}

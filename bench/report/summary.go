package report

import (
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// A contest is a measure of shunt and all measures of the same work.
type contest struct {
	result.Group
	own result.Measure
}

// summary returns a section with shunt beside each peer, one row for each work
// and dataplane, or none if there is nothing to compare.
func summary(run result.Run) []section {
	columns := []column[contest]{
		words("WORK", func(c contest) string { return c.Scenario + ": " + c.Work }),
		words("SUBJECT", func(c contest) string { return c.own.Subject }),
	}
	peers := slices.DeleteFunc(slices.Clone(run.Measures), func(m result.Measure) bool { return !m.Peer() })
	for _, p := range distinct(peers, func(m result.Measure) string { return m.Subject }) {
		columns = append(columns, figures("COST TO "+strings.ToUpper(p), "", func(c contest) string { return times(c.cost(p)) }))
	}
	columns = append(columns,
		figures("RATE", "", func(c contest) string { return times(c.speed()) }),
		figures("p99", "", func(c contest) string { return times(c.tail()) }))
	var all []contest
	for _, g := range run.Groups() {
		for _, m := range g.Measures {
			if strings.HasPrefix(m.Subject, "shunt-") && slices.ContainsFunc(g.Measures, result.Measure.Peer) {
				all = append(all, contest{g, m})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []section{{
		Title: "shunt beside its peers",
		About: "COST is the processor time of one operation, round by round, in a ratio to that of the peer; where connections are only held it is the program's own memory for one. " +
			"RATE is operations per second, and p99 that latency, in a ratio to those of whichever peer is better. Below 1 is good for COST and p99, above 1 for RATE.",
		Tables: []table{tabulate("", 2, all, columns...)},
	}}
}

// cost returns shunt's processor time of one operation, or memory of a held
// connection, in a ratio to the peer's; 0 if there is none.
func (c contest) cost(peer string) float64 {
	i := slices.IndexFunc(c.Measures, func(o result.Measure) bool { return o.Subject == peer })
	switch {
	case i < 0:
		return 0
	case c.Rated():
		return c.own.Dearer(c.Measures[i])
	}
	return result.Ratio(ownMemory(c.own), ownMemory(c.Measures[i]))
}

// ownMemory is that of the program for one connection, without the kernel's.
func ownMemory(m result.Measure) float64 {
	return result.Median(m.Each(func(r result.Round) float64 {
		return result.Ratio(float64(r.Memory.PSS), float64(r.Memory.Connections))
	}))
}

// speed is in a ratio to the peer with the most operations per second.
func (c contest) speed() float64 {
	if !c.Rated() {
		return 0
	}
	best := 0.0
	for _, o := range c.Measures {
		if o.Peer() {
			best = max(best, result.Median(o.Each(result.Round.Rate)))
		}
	}
	return result.Ratio(result.Median(c.own.Each(result.Round.Rate)), best)
}

// tail is in a ratio to the peer with the shortest one.
func (c contest) tail() float64 {
	best := 0.0
	for _, o := range c.Measures {
		if x, ok := o.Latency(0.99); o.Peer() && ok && (best == 0 || x < best) {
			best = x
		}
	}
	own, _ := c.own.Latency(0.99)
	return result.Ratio(own, best)
}

package report

import (
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// summary sets shunt beside each peer, one row for each work and dataplane.
// It has no table where there is nothing to compare.
func summary(run result.Run) section {
	peers := peersIn(run)
	s := section{
		title: "shunt beside its peers",
		about: "COST is the processor time of one operation, round by round, in a ratio to that of the peer; where connections are only held it is the program's own memory for one. " +
			"RATE is operations per second, and p99 that latency, in a ratio to those of whichever peer is better. Below 1 is good for COST and p99, above 1 for RATE.",
	}
	t := grid{names: 2, columns: []column{{name: "WORK"}, {name: "SUBJECT"}}}
	for _, p := range peers {
		t.columns = append(t.columns, column{name: "COST TO " + strings.ToUpper(p), right: true})
	}
	t.columns = append(t.columns, column{name: "RATE", right: true}, column{name: "p99", right: true})
	for _, g := range run.Groups() {
		for _, m := range g.Measures {
			if row, ok := beside(g, m, peers); ok {
				t.add(row...)
			}
		}
	}
	if len(t.rows) > 0 {
		s.tables = []grid{t}
	}
	return s
}

// peersIn returns everybody who is a peer in any work, in order of appearance.
func peersIn(run result.Run) []string {
	var peers []string
	for _, m := range run.Measures {
		if m.Peer() && !slices.Contains(peers, m.Subject) {
			peers = append(peers, m.Subject)
		}
	}
	return peers
}

// beside is the row of m, if it is one of shunt's and somebody did the same.
func beside(g result.Group, m result.Measure, peers []string) ([]cell, bool) {
	if !strings.HasPrefix(m.Subject, "shunt-") || !slices.ContainsFunc(g.Measures, result.Measure.Peer) {
		return nil, false
	}
	row := words(g.Scenario+": "+g.Work, m.Subject)
	for _, p := range peers {
		row = append(row, cell{text: some(cost(g, m, p), times)})
	}
	return append(row, cell{text: some(speed(g, m), times)}, cell{text: some(tail(g, m), times)}), true
}

// cost returns what m takes for one operation, or to hold a connection, in a
// ratio to what the peer takes; 0 where there is none.
func cost(g result.Group, m result.Measure, peer string) float64 {
	i := slices.IndexFunc(g.Measures, func(o result.Measure) bool { return o.Subject == peer })
	switch {
	case i < 0:
		return 0
	case g.Rated():
		return m.Dearer(g.Measures[i])
	}
	return result.Ratio(ownMemory(m), ownMemory(g.Measures[i]))
}

// ownMemory is that of the program for one connection, without the kernel's.
func ownMemory(m result.Measure) float64 {
	return result.Median(m.Each(func(r result.Round) float64 {
		return result.Ratio(float64(r.Memory.PSS), float64(r.Memory.Connections))
	}))
}

// speed is in a ratio to the peer with the most operations per second.
func speed(g result.Group, m result.Measure) float64 {
	best := 0.0
	for _, o := range g.Measures {
		if o.Peer() {
			best = max(best, result.Median(o.Each(result.Round.Rate)))
		}
	}
	if !g.Rated() {
		return 0
	}
	return result.Ratio(result.Median(m.Each(result.Round.Rate)), best)
}

// tail is in a ratio to the peer with the shortest one.
func tail(g result.Group, m result.Measure) float64 {
	best := 0.0
	for _, o := range g.Measures {
		if x, ok := o.Latency(0.99); o.Peer() && ok && (best == 0 || x < best) {
			best = x
		}
	}
	own, _ := m.Latency(0.99)
	return result.Ratio(own, best)
}

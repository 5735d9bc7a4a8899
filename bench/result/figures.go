package result

import "strings"

// Rate returns operations per second; 0 for a round without time.
func (r Round) Rate() float64 {
	return Ratio(float64(r.Operations), r.Seconds)
}

// Cost returns the processor time that was spent for the subject on one
// operation, in seconds, as CPU.Busy counts it; 0 for a round without operations.
func (r Round) Cost() float64 {
	return Ratio(r.Subject.Busy(), float64(r.Operations))
}

// Busy returns the time spent in user and system mode together, in seconds. Where
// the kernel forwards, the time in SoftIRQ is added: all of it, since it cannot
// be attributed.
func (c CPU) Busy() float64 {
	if c.Forwards {
		return c.User + c.System + c.SoftIRQ
	}
	return c.User + c.System
}

// Rated reports whether operations per second and their cost have a meaning:
// connections that are only held are no work.
func (m Measure) Rated() bool { return m.Scenario != "idle" }

// Generating returns how many processors clients and real servers kept busy
// together: 0.5 is half of one.
func (r Round) Generating() float64 {
	return Ratio(r.Generator.Busy(), r.Seconds)
}

// Directing returns how many processors were kept busy for the subject.
func (r Round) Directing() float64 {
	return Ratio(r.Subject.Busy(), r.Seconds)
}

// PerConnection returns the memory of one connection, the subject's own and the
// kernel's, in bytes; 0 where no connections were counted.
func (m Memory) PerConnection() float64 {
	return Ratio(float64(m.PSS+m.Kernel), float64(m.Connections))
}

// At returns the first of the round's latencies that at least share of the
// operations did not exceed, in seconds, and whether there is one.
func (r Round) At(share float64) (float64, bool) {
	for _, q := range r.Latency {
		if q.Share >= share {
			return q.Seconds, true
		}
	}
	return 0, false
}

// Each returns figure of every round of m, in order.
func (m Measure) Each(figure func(Round) float64) []float64 {
	xs := make([]float64, 0, len(m.Rounds))
	for _, r := range m.Rounds {
		xs = append(xs, figure(r))
	}
	return xs
}

// Latency returns the median over the rounds of the latency at share, in
// seconds, and whether any round has one.
func (m Measure) Latency(share float64) (float64, bool) {
	xs := m.Latencies(share)
	return Median(xs), len(xs) > 0
}

// Latencies returns the latency at share of every round that has one, in
// seconds.
func (m Measure) Latencies(share float64) []float64 {
	var xs []float64
	for _, r := range m.Rounds {
		if x, ok := r.At(share); ok {
			xs = append(xs, x)
		}
	}
	return xs
}

// Errors returns the errors of all rounds together.
func (m Measure) Errors() uint64 {
	var n uint64
	for _, r := range m.Rounds {
		n += r.Errors
	}
	return n
}

// A Group is the measures that may be compared: one kind of work in one
// scenario.
type Group struct {
	Scenario, Work, Unit string
	Measures             []Measure
}

// Dearer returns the cost of an operation of m in a ratio to that of other: the
// median of the ratios of rounds of the same number, which were taken right after
// each other, so that other work of the machine affects both. Where the numbers
// of rounds differ it is the ratio of the medians.
func (m Measure) Dearer(other Measure) float64 {
	own, its := m.Each(Round.Cost), other.Each(Round.Cost)
	if len(own) != len(its) {
		return Ratio(Median(own), Median(its))
	}
	for i := range own {
		own[i] = Ratio(own[i], its[i])
	}
	return Median(own)
}

// Rated is Measure.Rated of the measures of g.
func (g Group) Rated() bool { return Measure{Scenario: g.Scenario}.Rated() }

// Groups returns the measures of r in groups, both in order of appearance.
func (r Run) Groups() []Group {
	type key struct{ scenario, work, unit string }
	var groups []Group
	index := map[key]int{}
	for _, m := range r.Measures {
		k := key{m.Scenario, m.Work, m.Unit}
		i, ok := index[k]
		if !ok {
			i = len(groups)
			index[k] = i
			groups = append(groups, Group{Scenario: m.Scenario, Work: m.Work, Unit: m.Unit})
		}
		groups[i].Measures = append(groups[i].Measures, m)
	}
	return groups
}

// Reference returns the measure that the others of g are set in a ratio to:
// haproxy's, else that of the fastest other peer, else that of direct.
func (g Group) Reference() (Measure, bool) {
	var best Measure
	for _, m := range g.Measures {
		if m.Subject == "haproxy" {
			return m, true
		}
		if rank(m) > rank(best) || rank(m) == rank(best) && median(m) > median(best) {
			best = m
		}
	}
	return best, rank(best) > 0
}

func median(m Measure) float64 { return Median(m.Each(Round.Rate)) }

// Peer reports whether m is that of a program that shunt stands beside.
func (m Measure) Peer() bool { return rank(m) == 2 }

// rank prefers peers to direct, and takes none of shunt's own dataplanes.
func rank(m Measure) int {
	switch {
	case m.Subject == "" || strings.HasPrefix(m.Subject, "shunt-"):
		return 0
	case m.Subject == "direct":
		return 1
	}
	return 2
}

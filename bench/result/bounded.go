package result

// headroom is how many times faster than a subject clients and real servers have
// to be without it; otherwise they are what is measured.
const headroom = 2

// MarkBounded marks the measures in which clients and real servers may have
// been the bottleneck: those of a subject that is more than half as fast as
// the absence of a director, "direct", at the same work. Work that "direct"
// did not do is left as it is, and so is idling, which has no rate.
func MarkBounded(measures []Measure) {
	for _, g := range (Run{Measures: measures}).Groups() {
		direct, ok := find(g.Measures, "direct")
		if !ok || !direct.Rated() {
			continue
		}
		limit := median(direct) / headroom
		for i := range measures {
			m := &measures[i]
			if m.Scenario == g.Scenario && m.Work == g.Work && m.Unit == g.Unit && m.Subject != "direct" {
				m.Bounded = median(*m) > limit
			}
		}
	}
}

func find(measures []Measure, subject string) (Measure, bool) {
	for _, m := range measures {
		if m.Subject == subject {
			return m, true
		}
	}
	return Measure{}, false
}

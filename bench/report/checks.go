package report

import (
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

func checks(all []result.Checks, colour palette) section {
	s := section{
		Title: "Health checks",
		About: "The cost of checking many real servers, and how long an unwell one stays in service. Figures are medians of the rounds. " +
			"A check is a TCP connection that was begun. With reset, the connection ends before the real server's program hears of it, which is haproxy's connect; " +
			"shunt's own is closed in the orderly way.",
		Tables: []table{checksTable(all), detectionTable(all)},
	}
	type row struct {
		kind  string
		reals int
	}
	for _, of := range distinct(all, func(c result.Checks) row { return row{c.Kind, c.RealServers} }) {
		var curves []curve
		for _, c := range all {
			if (row{c.Kind, c.RealServers}) == of && len(c.Detection) > 0 {
				curves = append(curves, curve{c.Subject, c.Detection})
			}
		}
		if len(curves) > 0 {
			what := of.kind + ", " + thousands(float64(of.reals)) + " real servers"
			s.Plots = append(s.Plots, latencies("From unwell to out of service: "+what, what, curves, colour))
		}
	}
	return s
}

func checksTable(all []result.Checks) table {
	spread := func(c result.Checks) result.Spread { return result.SpreadOf(c.Each(result.ChecksRound.PerCheck)) }
	median := func(of func(result.ChecksRound) float64) func(result.Checks) float64 {
		return func(c result.Checks) float64 { return result.Median(c.Each(of)) }
	}
	rate := median(func(r result.ChecksRound) float64 { return result.Ratio(float64(r.Checks), r.Seconds) })
	busy := median(func(r result.ChecksRound) float64 { return result.Ratio(r.CPU, r.Seconds) })
	memory := median(func(r result.ChecksRound) float64 { return float64(r.Memory) })
	above := median(func(r result.ChecksRound) float64 { return max(0, float64(r.Memory)-float64(r.Idle)) })
	return tabulate("Cost", 3, all,
		words("CHECK", func(c result.Checks) string { return c.Kind }),
		words("SUBJECT", func(c result.Checks) string { return c.Subject }),
		figures("REAL SERVERS", "", func(c result.Checks) string { return thousands(float64(c.RealServers)) }),
		figures("CHECKS/S", "checks per second", func(c result.Checks) string { return some(rate(c), number) }),
		figures("CPU/CHECK", "processor time of the subject for one check, user and system", func(c result.Checks) string { return some(spread(c).Median, period) }),
		marked("±", "half the distance between the quartiles of the rounds", func(c result.Checks) cell {
			if x := spread(c).Relative(); len(c.Rounds) > 1 && plottable(x) {
				return cell{percent(x), faint}
			}
			return cell{none, faint}
		}),
		figures("RATIO", "processor time for one check of that of haproxy, round by round", func(c result.Checks) string {
			return times(dearer(c, all))
		}),
		figures("PROCESSOR", "share of one processor", func(c result.Checks) string { return some(busy(c), percent) }),
		marked("FAILED", "checks that failed while the cost was measured, by the program's own count, in all rounds; haproxy counts those of real servers that were up", func(c result.Checks) cell { return failed(c) }),
		figures("MEMORY", "", func(c result.Checks) string { return some(memory(c), volume) }),
		figures("ABOVE IDLE", "memory above that of the same program with one real server", func(c result.Checks) string { return some(above(c), volume) }),
		words("NOTE", func(c result.Checks) string { return c.Note }),
	).lean()
}

// dearer returns the processor time of one of c's checks in a ratio to haproxy's:
// for the same kind, or for the kind of which c's is a variant.
func dearer(c result.Checks, all []result.Checks) float64 {
	kind, _, _ := strings.Cut(c.Kind, ",")
	for _, k := range []string{c.Kind, kind} {
		i := slices.IndexFunc(all, func(o result.Checks) bool {
			return o.Subject == "haproxy" && o.Kind == k && o.RealServers == c.RealServers && o.Interval == c.Interval
		})
		if i < 0 {
			continue
		}
		var ratios []float64
		for n := range min(len(c.Rounds), len(all[i].Rounds)) {
			ratios = append(ratios, result.Ratio(c.Rounds[n].PerCheck(), all[i].Rounds[n].PerCheck()))
		}
		return result.Median(ratios)
	}
	return 0
}

// failed returns the cell of the checks that failed. They have to fail where real
// servers fall silent.
func failed(c result.Checks) cell {
	var n uint64
	counted := false
	for _, r := range c.Rounds {
		if r.Failed != nil {
			n, counted = n+*r.Failed, true
		}
	}
	switch {
	case !counted:
		return cell{Text: none}
	case strings.Contains(c.Kind, "silent"):
		return cell{Text: count(n)}
	}
	return problems(n)
}

func detectionTable(all []result.Checks) table {
	const (
		late     = "the time beyond the interval between two checks of a real server that is well, where they came in"
		detected = "until a real server that is unwell is out of service: gone from the kernel's table where the kernel forwards, and else by the program's own word"
	)
	all = slices.DeleteFunc(slices.Clone(all), func(c result.Checks) bool { return len(c.Lateness)+len(c.Detection) == 0 })
	return tabulate("Punctuality", 3, all,
		words("CHECK", func(c result.Checks) string { return c.Kind }),
		words("SUBJECT", func(c result.Checks) string { return c.Subject }),
		figures("REAL SERVERS", "", func(c result.Checks) string { return thousands(float64(c.RealServers)) }),
		figures("INTERVAL", "between checks of one real server", func(c result.Checks) string { return period(c.Interval) }),
		figures("LATE p50", late, func(c result.Checks) string { return quantile(c.Lateness, 0.5) }),
		figures("LATE p99", late, func(c result.Checks) string { return quantile(c.Lateness, 0.99) }),
		figures("LATE max", late, func(c result.Checks) string { return quantile(c.Lateness, 1) }),
		figures("DETECTED p50", detected, func(c result.Checks) string { return quantile(c.Detection, 0.5) }),
		figures("DETECTED p99", detected, func(c result.Checks) string { return quantile(c.Detection, 0.99) }),
		figures("DETECTED max", detected, func(c result.Checks) string { return quantile(c.Detection, 1) }),
	).lean()
}

package report

import (
	"slices"

	"github.com/shunt-lb/shunt/bench/result"
)

func failovers(all []result.Failover, colour palette) section {
	faults := distinct(all, func(f result.Failover) string { return f.Fault })
	s := section{
		Title: "Failover",
		About: "The cost of one fault to the clients, at a fixed rate of requests. " +
			"LAST is the time from the fault to the start of the last request that was lost.",
		Tables: []table{lostTable(all, faults)},
	}
	var sorted []result.Failover
	for _, fault := range faults {
		some := slices.DeleteFunc(slices.Clone(all), func(f result.Failover) bool { return f.Fault != fault })
		s.Plots = append(s.Plots, timeline(fault, some, colour))
		sorted = append(sorted, some...)
	}
	s.Tables = append(s.Tables, tabulate("All figures", 2, sorted,
		words("SUBJECT", func(f result.Failover) string { return f.Subject }),
		words("FAULT", func(f result.Failover) string { return f.Fault }),
		figures("REQUESTS", "", func(f result.Failover) string { return count(f.Requests) }),
		marked("LOST", "requests without an answer", func(f result.Failover) cell { return problems(f.Lost) }),
		figures("SHARE", "of the requests that was lost", func(f result.Failover) string {
			return percent(result.Ratio(float64(f.Lost), float64(f.Requests)))
		}),
		figures("LAST", "from the fault to the start of the last lost request", func(f result.Failover) string {
			if f.Lost == 0 {
				return none
			}
			return period(f.Last)
		}),
		marked("BROKEN", "established connections that ended", func(f result.Failover) cell { return problems(f.Broken) }),
		words("NOTE", func(f result.Failover) string { return f.Note }),
	).lean())
	return s
}

// lostTable has a row for each fault and a column for each subject: the first
// thing to look at.
func lostTable(all []result.Failover, faults []string) table {
	columns := []column[string]{words("FAULT", func(fault string) string { return fault })}
	for _, subject := range distinct(all, func(f result.Failover) string { return f.Subject }) {
		columns = append(columns, marked(subject, "", func(fault string) cell {
			i := slices.IndexFunc(all, func(f result.Failover) bool { return f.Subject == subject && f.Fault == fault })
			switch {
			case i < 0:
				return cell{Text: none}
			case all[i].Lost == 0:
				return cell{"0", good}
			}
			return cell{count(all[i].Lost) + ", " + period(all[i].Last), bad}
		}))
	}
	return tabulate("Requests lost, and when the last of them began", 1, faults, columns...)
}

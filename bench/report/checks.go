package report

import "github.com/shunt-lb/shunt/bench/result"

func checks(all []result.Checks, colour palette) section {
	const detected = "until a real server that is unwell is out of service"
	s := section{
		Title: "Health checks",
		About: "The cost of checking many real servers, and how long an unwell one stays in service: " +
			"until it is gone from the kernel's table where the kernel forwards, and else until the program's status says so.",
		Tables: []table{tabulate("", 2, all,
			words("SUBJECT", func(c result.Checks) string { return c.Subject }),
			figures("REAL SERVERS", "", func(c result.Checks) string { return thousands(float64(c.RealServers)) }),
			figures("INTERVAL", "between checks of one real server", func(c result.Checks) string { return period(c.Interval) }),
			figures("PROCESSOR", "share of one processor", func(c result.Checks) string { return percent(c.Processor) }),
			figures("MEMORY", "", func(c result.Checks) string { return some(float64(c.Memory), volume) }),
			figures("DETECTED p50", detected, func(c result.Checks) string { return quantile(c.Detection, 0.5) }),
			figures("DETECTED p99", detected, func(c result.Checks) string { return quantile(c.Detection, 0.99) }),
			words("NOTE", func(c result.Checks) string { return c.Note }),
		).lean()},
	}
	for _, size := range distinct(all, func(c result.Checks) int { return c.RealServers }) {
		var curves []curve
		for _, c := range all {
			if c.RealServers == size {
				curves = append(curves, curve{c.Subject, c.Detection})
			}
		}
		of := thousands(float64(size)) + " real servers"
		s.Plots = append(s.Plots, latencies("From death to out of service: "+of, of, curves, colour))
	}
	return s
}

package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/shunt-lb/shunt/bench/result"
)

// A row is one round of a measure, its number counted from 1.
type row struct {
	of     result.Measure
	round  result.Round
	number int
}

var csvColumns = []column[row]{
	words("round", func(r row) string { return strconv.Itoa(r.number) }),
	words("scenario", func(r row) string { return r.of.Scenario }),
	words("work", func(r row) string { return r.of.Work }),
	words("unit", func(r row) string { return r.of.Unit }),
	words("subject", func(r row) string { return r.of.Subject }),
	words("bounded", func(r row) string { return strconv.FormatBool(r.of.Bounded) }),
	words("seconds", func(r row) string { return exact(r.round.Seconds) }),
	words("operations", func(r row) string { return strconv.FormatUint(r.round.Operations, 10) }),
	words("errors", func(r row) string { return strconv.FormatUint(r.round.Errors, 10) }),
	words("operations_per_second", func(r row) string { return exact(r.round.Rate()) }),
	words("cpu_seconds_per_operation", func(r row) string { return exact(r.round.Cost()) }),
	words("user_seconds", func(r row) string { return exact(r.round.Subject.User) }),
	words("system_seconds", func(r row) string { return exact(r.round.Subject.System) }),
	words("softirq_seconds", func(r row) string { return exact(r.round.Subject.SoftIRQ) }),
	words("generator_processors", func(r row) string { return exact(r.round.Generating()) }),
	words("p50_seconds", exactLatency(0.5)),
	words("p90_seconds", exactLatency(0.9)),
	words("p99_seconds", exactLatency(0.99)),
	words("p999_seconds", exactLatency(0.999)),
	words("connections", func(r row) string { return strconv.FormatUint(r.round.Memory.Connections, 10) }),
	words("pss_bytes", func(r row) string { return strconv.FormatUint(r.round.Memory.PSS, 10) }),
	words("kernel_bytes", func(r row) string { return strconv.FormatUint(r.round.Memory.Kernel, 10) }),
}

// CSV writes one row for each round of each measure, under a header. The
// columns are:
//
//	round                          from 1
//	scenario, work, unit, subject  which measure
//	bounded                        true where the generator was the bottleneck
//	seconds, operations, errors    of the round
//	operations_per_second
//	cpu_seconds_per_operation      of the subject, user and system
//	user_seconds, system_seconds, softirq_seconds
//	                               of the subject
//	generator_processors           that clients and real servers kept busy
//	p50_seconds, p90_seconds, p99_seconds, p999_seconds
//	                               latencies
//	connections, pss_bytes, kernel_bytes
//	                               memory at the end of the round
//
// Seconds are decimal fractions with a point. A figure that was not measured is empty.
func CSV(w io.Writer, run result.Run) error {
	var rows []row
	for _, m := range run.Measures {
		for i, r := range m.Rounds {
			rows = append(rows, row{m, r, i + 1})
		}
	}
	t := tabulate("", 1, rows, csvColumns...)
	var head []cell
	for _, h := range t.Headings {
		head = append(head, cell{Text: h.Name})
	}
	c := csv.NewWriter(w)
	for _, cells := range append([][]cell{head}, t.Rows...) {
		var record []string
		for _, c := range cells {
			record = append(record, c.Text)
		}
		_ = c.Write(record) // an error stays until the end
	}
	c.Flush()
	return c.Error()
}

func exactLatency(share float64) func(row) string {
	return func(r row) string {
		x, ok := r.round.At(share)
		if !ok {
			return ""
		}
		return exact(x)
	}
}

// exact writes x for programs, and nothing for what is no finite number.
func exact(x float64) string {
	if !finite(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/shunt-lb/shunt/bench/result"
)

// csvColumns are what a row says, in order, with what each is taken from.
var csvColumns = []struct {
	name string
	of   func(result.Measure, result.Round) string
}{
	{"scenario", func(m result.Measure, _ result.Round) string { return m.Scenario }},
	{"work", func(m result.Measure, _ result.Round) string { return m.Work }},
	{"unit", func(m result.Measure, _ result.Round) string { return m.Unit }},
	{"subject", func(m result.Measure, _ result.Round) string { return m.Subject }},
	{"bounded", func(m result.Measure, _ result.Round) string { return strconv.FormatBool(m.Bounded) }},
	{"seconds", plainly(func(r result.Round) float64 { return r.Seconds })},
	{"operations", func(_ result.Measure, r result.Round) string { return strconv.FormatUint(r.Operations, 10) }},
	{"errors", func(_ result.Measure, r result.Round) string { return strconv.FormatUint(r.Errors, 10) }},
	{"operations_per_second", plainly(result.Round.Rate)},
	{"cpu_seconds_per_operation", plainly(result.Round.Cost)},
	{"user_seconds", plainly(func(r result.Round) float64 { return r.Subject.User })},
	{"system_seconds", plainly(func(r result.Round) float64 { return r.Subject.System })},
	{"softirq_seconds", plainly(func(r result.Round) float64 { return r.Subject.SoftIRQ })},
	{"generator_processors", plainly(result.Round.Generating)},
	{"p50_seconds", quantile(0.5)},
	{"p90_seconds", quantile(0.9)},
	{"p99_seconds", quantile(0.99)},
	{"p999_seconds", quantile(0.999)},
	{"connections", func(_ result.Measure, r result.Round) string { return strconv.FormatUint(r.Memory.Connections, 10) }},
	{"pss_bytes", func(_ result.Measure, r result.Round) string { return strconv.FormatUint(r.Memory.PSS, 10) }},
	{"kernel_bytes", func(_ result.Measure, r result.Round) string { return strconv.FormatUint(r.Memory.Kernel, 10) }},
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
// Seconds are decimal fractions with a point. What was not measured is empty.
func CSV(w io.Writer, run result.Run) error {
	c := csv.NewWriter(w)
	head := []string{"round"}
	for _, col := range csvColumns {
		head = append(head, col.name)
	}
	_ = c.Write(head) // an error stays until the end
	for _, m := range run.Measures {
		for i, r := range m.Rounds {
			row := []string{strconv.Itoa(i + 1)}
			for _, col := range csvColumns {
				row = append(row, col.of(m, r))
			}
			_ = c.Write(row)
		}
	}
	c.Flush()
	return c.Error()
}

func plainly(figure func(result.Round) float64) func(result.Measure, result.Round) string {
	return func(_ result.Measure, r result.Round) string { return exact(figure(r)) }
}

func quantile(share float64) func(result.Measure, result.Round) string {
	return func(_ result.Measure, r result.Round) string {
		x, ok := r.At(share)
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

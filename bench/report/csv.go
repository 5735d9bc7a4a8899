package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

var csvColumns = strings.Fields(`round scenario work unit subject bounded seconds operations errors
	operations_per_second cpu_seconds_per_operation user_seconds system_seconds softirq_seconds generator_processors
	p50_seconds p90_seconds p99_seconds p999_seconds connections pss_bytes kernel_bytes`)

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
	c := csv.NewWriter(w)
	_ = c.Write(csvColumns) // an error stays until the end
	for _, m := range run.Measures {
		for i, r := range m.Rounds {
			var record []string
			for _, x := range []any{
				i + 1, m.Scenario, m.Work, m.Unit, m.Subject, m.Bounded, r.Seconds, r.Operations, r.Errors,
				r.Rate(), r.Cost(), r.Subject.User, r.Subject.System, r.Subject.SoftIRQ, r.Generating(),
				latencyAt(r, 0.5), latencyAt(r, 0.9), latencyAt(r, 0.99), latencyAt(r, 0.999),
				r.Memory.Connections, r.Memory.PSS, r.Memory.Kernel,
			} {
				record = append(record, exact(x))
			}
			_ = c.Write(record)
		}
	}
	c.Flush()
	return c.Error()
}

// latencyAt returns the latency that share did not exceed, NaN if unknown.
func latencyAt(r result.Round, share float64) float64 {
	if x, ok := r.At(share); ok {
		return x
	}
	return math.NaN()
}

// exact writes x for programs, and nothing for what is no finite number.
func exact(x any) string {
	f, ok := x.(float64)
	switch {
	case !ok:
		return fmt.Sprint(x)
	case !finite(f):
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

package report

import (
	"io"

	"github.com/shunt-lb/shunt/bench/result"
)

// A Comparison is what became of one run's figures in another.
type Comparison struct {
	Warnings []string // why the runs may not be comparable
	Changes  []Change // of figures with rounds, in the order of the new run
	Findings []string // what else got worse: verdicts, losses, what is not measured any more
}

// A Change is one figure of one measure in both runs.
type Change struct {
	Scenario, Work, Subject string
	Figure                  string  // "operations/s"
	Old, New                float64 // medians
	Ratio                   float64 // New/Old; 0 where there is none
	P                       float64 // chance of such a difference between equals
	Verdict                 Verdict
}

// A Verdict says what a difference means.
type Verdict string

// The verdicts. Same is a difference that chance explains.
const (
	Same   Verdict = "same"
	Better Verdict = "better"
	Worse  Verdict = "worse"
	TooFew Verdict = "too few rounds"
)

// Compare returns what became of old's figures in now.
func Compare(old, now result.Run) Comparison {
	return Comparison{}
}

// Worse reports whether anything got worse.
func (c Comparison) Worse() bool {
	return false
}

// Print writes c as a table for people. The error is w's.
func (c Comparison) Print(w io.Writer, o Options) error {
	return nil
}

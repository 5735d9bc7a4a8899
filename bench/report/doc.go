// Package report shows the results of a run of the benchmark: as tables on a
// terminal, as JSON and CSV, as one HTML file with plots, and in comparison with
// an earlier run.
package report

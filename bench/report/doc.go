// Package report shows what a run of the benchmark left: as tables on a
// terminal, as JSON and CSV, as one HTML file with plots, and beside an
// earlier run.
package report

package report_test

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := report.CSV(&b, small()); err != nil {
		t.Fatal(err)
	}
	golden(t, "rounds.csv", b.String())
}

func TestCSVHasARowForEachRound(t *testing.T) {
	run := big()
	run.Measures[0].Work = "commas, \"quotes\"\nand lines"
	run.Measures[0].Rounds[0] = result.Round{}
	var b bytes.Buffer
	if err := report.CSV(&b, run); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1
	for _, m := range run.Measures {
		want += len(m.Rounds)
	}
	if len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	if rows[1][2] != run.Measures[0].Work {
		t.Errorf("work came back as %q", rows[1][2])
	}
}

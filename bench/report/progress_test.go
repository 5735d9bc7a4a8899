package report_test

import (
	"os"
	"testing"

	"github.com/shunt-lb/shunt/bench/report"
)

// A file is no terminal: what a job of a CI system logs has no bar in it.
func TestProgressIsSilentWithoutTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := report.NewProgress(f, 2)
	p.Doing("throughput: haproxy, round 1 of 2")
	p.Step()
	p.Step()
	p.Close()
	p.Close()
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	var none *report.Progress
	none.Doing("nothing")
	none.Step()
	none.Close()
}

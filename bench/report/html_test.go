package report_test

import (
	"os"
	"testing"

	"github.com/shunt-lb/shunt/bench/report"
)

func TestLook(t *testing.T) {
	f, _ := os.Create("/tmp/shunt-report.html")
	if err := report.HTML(f, big()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := report.Print(os.Stdout, big(), report.Options{Width: 140}); err != nil {
		t.Fatal(err)
	}
	if err := report.Print(os.Stdout, small(), report.Options{Width: 80}); err != nil {
		t.Fatal(err)
	}
}

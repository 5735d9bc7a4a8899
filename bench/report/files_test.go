package report_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	paths, err := report.Write(dir, small())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"report.json", "report.csv", "report.html"} {
		want = append(want, filepath.Join(dir, name))
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	got, err := report.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small(), got); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("directory holds %v", entries)
	}
}

// A run that cannot be written as JSON is still shown, and the file of an
// earlier run stays.
func TestWriteGoesOn(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, small()); err != nil {
		t.Fatal(err)
	}
	paths, err := report.Write(dir, result.Run{Seconds: math.NaN(), Pinning: "none at all"})
	if err == nil || !strings.Contains(err.Error(), "report.json: json: unsupported value: NaN") {
		t.Errorf("error %v", err)
	}
	if len(paths) != 2 {
		t.Errorf("wrote %v", paths)
	}
	html, _ := os.ReadFile(filepath.Join(dir, "report.html"))
	if !strings.Contains(string(html), "none at all") {
		t.Error("the page is that of the run before")
	}
	if run, err := report.ReadFile(filepath.Join(dir, "report.json")); err != nil || run.Seconds != small().Seconds {
		t.Errorf("the earlier file: %v seconds, %v", run.Seconds, err)
	}
}

func TestWriteNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Write(filepath.Join(file, "dir"), small()); err == nil {
		t.Error("wrote below a file")
	}
}

func TestReadFileNamesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(file, []byte(`{"version": 7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadFile(file); err == nil || !strings.HasPrefix(err.Error(), file+": report of format version 7") {
		t.Errorf("error %v", err)
	}
}

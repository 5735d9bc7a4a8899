package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// TestBad reads small files with one mistake each. The message an operator
// gets stands beside each of them.
func TestBad(t *testing.T) {
	for _, file := range files(t, "testdata/bad/*.cf") {
		name := strings.TrimSuffix(filepath.Base(file), ".cf")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var errs config.Problems
			for _, p := range wrong(t, string(text), config.Options{Dataplanes: []string{"ipvs", "proxy"}}) {
				if p.Severity == config.Error {
					errs = append(errs, p)
				}
			}
			if len(errs) != 1 {
				t.Errorf("%d errors, want 1", len(errs))
			}
			want(t, strings.TrimSuffix(file, ".cf")+".want", report(t, errs))
		})
	}
}

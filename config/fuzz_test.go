package config_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/shunt-lb/shunt/config"
)

// FuzzParse holds for any text: no panic; what is accepted can be printed and
// means the same then; what is refused has an error; every problem is on a
// line that is there.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.cf", "testdata/golden/*.cf", "testdata/tutorial/*.cf"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, false)
			f.Add(text, true)
		}
	}
	addVectors(f)
	f.Fuzz(func(t *testing.T, text []byte, strict bool) {
		c, err := config.Parse(context.Background(), "fuzz.cf", text, config.Options{Strict: strict, Resolver: testHosts})
		ps, refused := errors.AsType[config.Problems](err)
		if !refused {
			if err != nil {
				t.Fatalf("error of another type: %v", err)
			}
			ps = c.Warnings
			roundTrip(t, c)
		}
		checkProblems(t, ps, refused, strings.Count(string(text), "\n")+1)
	})
}

func addVectors(f *testing.F) {
	names, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data, false)
	}
}

func checkProblems(t *testing.T, ps config.Problems, refused bool, lines int) {
	t.Helper()
	worst := config.Warning
	for _, p := range ps {
		worst = max(worst, p.Severity)
	}
	checkLines(t, ps, lines)
	if refused != (worst == config.Error) {
		t.Errorf("refused is %v, but the worst problem is an %v: %v", refused, worst, ps)
	}
	report(t, ps)
}

// checkLines checks the places of the problems of one file.
func checkLines(t *testing.T, ps config.Problems, lines int) {
	t.Helper()
	last := 0
	for _, p := range ps {
		if whole := p.Pos.Line == 0 && p.Pos.File != ""; whole {
			continue // the file as such, or what there are too many of
		}
		if p.Pos.Line < 1 || p.Pos.Line > lines || p.Pos.Col < 1 {
			t.Errorf("%v is outside of the file of %d lines", p, lines)
		}
		if p.Pos.Line < last {
			t.Errorf("%v is out of order", p)
		}
		last = p.Pos.Line
	}
}

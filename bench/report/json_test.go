package report_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func TestJSONKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := runs(2).Draw(t, "run")
		var b bytes.Buffer
		if err := report.JSON(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := report.Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"another version", `{"version": 2, "measures": "a table by now"}`, "report of format version 2; this shunt-bench reads version 1"},
		{"no version", `{"measures": []}`, "no report of shunt-bench: it names no version"},
		{"no JSON", `scenario,work`, "no report of shunt-bench: invalid character"},
		{"nothing", ``, "no report of shunt-bench: unexpected end"},
		{"a field of another kind", `{"version": 1, "seconds": "many"}`, "damaged report: json: cannot unmarshal string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := report.Read(strings.NewReader(c.file))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got error %v, want %s", err, c.want)
			}
		})
	}
}

// The report in the tree stays comparable, and what later runs have beyond it is
// no reason to call anything worse.
func TestCompareWithTheReportInTheTree(t *testing.T) {
	old, err := report.ReadFile("../reports/host.json")
	if err != nil {
		t.Fatal(err)
	}
	now := old
	now.Measures = append(slices.Clone(old.Measures), result.Measure{Scenario: "mixed", Unit: "MiB", Timed: "request", Subject: "haproxy"})
	if c := report.Compare(old, now); c.Worse() || len(c.Changes) == 0 || len(c.Warnings) > 0 {
		t.Errorf("%d changes, findings %q, warnings %q", len(c.Changes), c.Findings, c.Warnings)
	}
}

func TestJSONHasNoInfinity(t *testing.T) {
	if err := report.JSON(&bytes.Buffer{}, result.Run{Seconds: math.Inf(1)}); err == nil {
		t.Error("an infinity was written")
	}
}

func TestJSONIsOfThisVersion(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, result.Run{}); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read(&b); err != nil {
		t.Error(err)
	}
}

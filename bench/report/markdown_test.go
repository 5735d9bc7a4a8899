package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func markdown(t *testing.T, run result.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Markdown(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	golden(t, "run.md", markdown(t, small()))
}

// A text of a run does not become a table, a heading or a tag.
func TestMarkdownStaysInItsCell(t *testing.T) {
	run := small()
	run.Failovers[0].Note = "a|b\n# c <script> *d* [e](f) `g`"
	got := markdown(t, run)
	if want := "| a\\|b\uFFFD# c &lt;script> \\*d\\* \\[e](f) \\`g\\` |"; !strings.Contains(got, want) {
		t.Errorf("no %s in:\n%s", want, got)
	}
}

func TestInsert(t *testing.T) {
	document := "# Figures\n\n<!-- host -->\nold\n<!-- /host -->\nmore\n"
	got, err := report.Insert([]byte(document), "host", small())
	if err != nil {
		t.Fatal(err)
	}
	want := "# Figures\n\n<!-- host -->\n\n" + markdown(t, small()) + "\n<!-- /host -->\nmore\n"
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "<!-- host -->\n", "<!-- /host -->\n<!-- host -->\n", document + document} {
		if got, err := report.Insert([]byte(bad), "host", small()); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// Connections that are only held have no rate in any output.
func TestIdlingHasNoRate(t *testing.T) {
	run := small()
	for i := range run.Measures {
		run.Measures[i].Scenario = "idle"
	}
	for name, text := range map[string]string{"terminal": printed(t, run, report.Options{}), "markdown": markdown(t, run)} {
		for _, word := range []string{"OPS/S", "CPU/OP", "RATIO"} {
			if strings.Contains(text, word) {
				t.Errorf("%s has %s:\n%s", name, word, text)
			}
		}
		if !strings.Contains(text, "MEM/CONN") {
			t.Errorf("%s has no memory:\n%s", name, text)
		}
	}
	for _, ch := range report.Compare(run, run).Changes {
		if ch.Figure == "operations/s" || ch.Figure == "CPU/operation" {
			t.Errorf("%s of %s is compared", ch.Figure, ch.Subject)
		}
	}
}

// Where the kernel forwards, the table says what its processor time has.
func TestForwardingIsExplained(t *testing.T) {
	run := small()
	const sentence = "the kernel forwards for it"
	if got := markdown(t, run); strings.Contains(got, sentence) {
		t.Error(got)
	}
	run.Measures[0].Rounds[0].Subject.Forwards = true
	if got := markdown(t, run); !strings.Contains(got, sentence) {
		t.Error(got)
	}
}

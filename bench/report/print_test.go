package report_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func printed(t testing.TB, run result.Run, o report.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Print(&b, run, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPrint(t *testing.T) {
	golden(t, "wide.txt", printed(t, small(), report.Options{}))
	golden(t, "narrow.txt", printed(t, small(), report.Options{Width: 80}))
	golden(t, "colour.txt", printed(t, small(), report.Options{Width: 120, Color: true}))
}

func TestPrintFits(t *testing.T) {
	for _, width := range []int{80, 100, 132, 200} {
		for l := range strings.SplitSeq(printed(t, small(), report.Options{Width: width, Color: true}), "\n") {
			if n := text.StringWidthWithoutEscSequences(l); n > width {
				t.Errorf("%d columns of %d: %s", n, width, l)
			}
		}
	}
}

func TestPrintEmptyRun(t *testing.T) {
	if got := printed(t, result.Run{}, report.Options{}); got != "\nnothing was measured\n" {
		t.Errorf("got %q", got)
	}
}

// The report says what latency is of where that is no operation.
func TestPrintTimed(t *testing.T) {
	run, said := small(), "An operation is a connection. Figures are medians of 3 rounds; ratios are to haproxy."
	if got := printed(t, run, report.Options{}); !strings.Contains(got, said+"\n") {
		t.Error(got)
	}
	run.Measures[0].Timed = "request beside it"
	if got := printed(t, run, report.Options{}); !strings.Contains(got, said+" Latency is that of a request beside it.\n") {
		t.Error(got)
	}
}

func TestPrintOneRound(t *testing.T) {
	run := small()
	for i := range run.Measures {
		run.Measures[i].Rounds = run.Measures[i].Rounds[:1]
	}
	got := printed(t, run, report.Options{})
	if !strings.Contains(got, "medians of one round;") || strings.Contains(got, "ERRORS\n") {
		t.Error(got)
	}
}

func TestPrintWithoutRounds(t *testing.T) {
	run := result.Run{Measures: []result.Measure{{Scenario: "udp", Subject: "nginx", Unit: "datagram"}}}
	if got := printed(t, run, report.Options{}); !strings.Contains(got, "medians of 0 rounds") {
		t.Error(got)
	}
}

var infinite = regexp.MustCompile(`NaN|\bInf\b|[+-]Inf`)

// A round that broke down divides by nothing.
func TestNeverInfinite(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	run := big()
	for i := range run.Measures {
		r := &run.Measures[i].Rounds[0]
		r.Seconds, r.Subject.User, r.Generator.System = nan, inf, -inf
		r.Latency[3].Seconds, r.Latency[4].Seconds, r.Latency[5].Share = nan, inf, nan
		run.Measures[i].Rounds[1] = result.Round{}
	}
	run.Measures[0].Rounds = run.Measures[0].Rounds[:1]
	for i := range run.Failovers {
		run.Failovers[i].Last = inf
		run.Failovers[i].Timeline[3].At = nan
		run.Failovers[i].Requests = 0
	}
	run.Schedulers[0].Sticky, run.Schedulers[0].Moved = &nan, &inf
	run.Checks[0].Rounds[0].CPU, run.Checks[0].Rounds[0].Seconds, run.Checks[0].Interval = nan, inf, nan
	run.Seconds = nan
	for name, text := range outputs(t, run) {
		if found := infinite.FindString(text); found != "" {
			t.Errorf("%s holds %s", name, found)
		}
	}
}

func outputs(t testing.TB, run result.Run) map[string]string {
	t.Helper()
	var csv, html, beside, marked bytes.Buffer
	if err := errors.Join(report.CSV(&csv, run), report.HTML(&html, run), report.Markdown(&marked, run), report.Compare(run, run).Print(&beside, report.Options{})); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"terminal": printed(t, run, report.Options{}), "csv": csv.String(), "html": html.String(), "comparison": beside.String(), "markdown": marked.String(),
	}
}

func TestAnyRun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		run := runs(1).Draw(rt, "run")
		for name, text := range outputs(t, run) {
			if found := infinite.FindString(text); found != "" {
				rt.Errorf("%s holds %s", name, found)
			}
			if name == "terminal" && strings.ContainsAny(text, "\x1b\r\t\x00\u202e") {
				rt.Error("control characters reach the terminal")
			}
		}
	})
}

func TestTerminalOfAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if o := report.Terminal(f); o != (report.Options{}) {
		t.Errorf("a file is a terminal: %+v", o)
	}
}

package report_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

// slower returns run with subject's rates and costs off by factor.
func slower(run result.Run, subject string, factor float64) result.Run {
	run.Measures = slices.Clone(run.Measures)
	for i := range run.Measures {
		m := &run.Measures[i]
		if m.Subject != subject {
			continue
		}
		m.Rounds = slices.Clone(m.Rounds)
		for j := range m.Rounds {
			m.Rounds[j].Seconds *= factor
			m.Rounds[j].Subject.User *= factor
			m.Rounds[j].Subject.System *= factor
		}
	}
	return run
}

func verdicts(c report.Comparison, figure string) map[string]report.Verdict {
	got := map[string]report.Verdict{}
	for _, ch := range c.Changes {
		if ch.Scenario == "connections" && ch.Figure == figure {
			got[ch.Subject] = ch.Verdict
		}
	}
	return got
}

func TestCompareFindsWhatGotWorse(t *testing.T) {
	old := big()
	for i := range old.Measures {
		old.Measures[i].Bounded = old.Measures[i].Subject == "nginx"
	}
	c := report.Compare(old, slower(slower(old, "haproxy", 1.3), "keepalived", 0.7))
	want := map[string]report.Verdict{
		"shunt-proxy": report.Same, "haproxy": report.Worse, "nginx": report.Bounded,
		"shunt-ipvs": report.Same, "keepalived": report.Better, "direct": report.Same,
	}
	if diff := cmp.Diff(want, verdicts(c, "operations/s")); diff != "" {
		t.Errorf("operations/s (-want +got):\n%s", diff)
	}
	if got := verdicts(c, "CPU/operation")["haproxy"]; got != report.Worse {
		t.Errorf("haproxy's processor time: %s", got)
	}
	if !c.Worse() {
		t.Error("nothing got worse")
	}
}

func TestCompareWithItself(t *testing.T) {
	c := report.Compare(big(), big())
	if c.Worse() || len(c.Warnings) > 0 || len(c.Findings) > 0 {
		t.Errorf("worse: %v, warnings %v, findings %v", c.Worse(), c.Warnings, c.Findings)
	}
}

// Three rounds each differ completely once in ten times by chance alone.
func TestCompareTooFewRounds(t *testing.T) {
	c := report.Compare(small(), slower(small(), "haproxy", 2))
	if got := verdicts(c, "operations/s")["haproxy"]; got != report.TooFew {
		t.Errorf("verdict %s", got)
	}
	if c.Worse() {
		t.Error("a verdict that three rounds do not carry")
	}
}

func TestCompareWarnsAndFinds(t *testing.T) {
	now := small()
	now.Machine.Kernel = "6.19.0"
	now.Machine.Programs["haproxy"] = "3.0"
	delete(now.Machine.Programs, "nginx")
	now.Measures = now.Measures[:2]
	now.Schedulers[0].Verdict, now.Rewrites[0].Verdict = "2:1 is 1:1", "source address changed"
	old := small()
	old.Failovers[0].Lost = 0
	c := report.Compare(old, now)
	if diff := cmp.Diff([]string{
		"kernel: 6.18.5 before, 6.19.0 now",
		"version of haproxy: 2.6.12-1+deb12u3 before, 3.0 now",
		"version of nginx: 1.22.1 before, unknown now",
	}, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"connections, 64 at a time, 100 B, direct: not measured any more",
		"scheduler wrr of shunt-proxy, TCP, weights 2 1 was ok: 2:1 is 1:1",
		"masq by shunt-proxy, IPv4 was ok: source address changed",
		"failover of shunt-proxy, killed: lost 33 of 9100 requests, none before",
	}, c.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestComparePrints(t *testing.T) {
	old := big()
	now := slower(big(), "haproxy", 1.3)
	now.Measures = now.Measures[:12]
	now.Machine.Kernel = "6.19.0"
	var b bytes.Buffer
	if err := report.Compare(old, now).Print(&b, report.Options{Width: 100}); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", b.String())
}

// A cost that doubles for one subject changes its ratio to the others; one that
// doubles for all changes none.
func TestCompareRatios(t *testing.T) {
	all, one := small(), slower(small(), "shunt-proxy", 2)
	for _, name := range []string{"shunt-proxy", "haproxy", "direct"} {
		all = slower(all, name, 3)
	}
	for name, c := range map[string]struct {
		now  result.Run
		want float64
	}{"all": {all, 0}, "one": {one, 1}} {
		got := report.Compare(small(), c.now).Ratios
		if len(got) != 1 || got[0].Subject != "shunt-proxy" || got[0].To != "haproxy" || math.Abs(got[0].Change()-c.want) > 1e-9 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

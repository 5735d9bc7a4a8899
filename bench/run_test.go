package bench_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// program builds shunt and returns its path.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shunt")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "urfave_cli_no_docs", "-o", path, "../cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build shunt: %v\n%s", err, out)
	}
	return path
}

func find(t *testing.T, name string) *subject.Subject {
	t.Helper()
	s, err := subject.Find(name)
	must(t, err)
	return s
}

// told counts what a run tells of its progress.
type told struct {
	doing []string
	steps int
	then  func() // after each step
}

func (p *told) Doing(what string) { p.doing = append(p.doing, what) }

func (p *told) Step() {
	p.steps++
	if p.then != nil {
		p.then()
	}
}

func measure(t *testing.T, o bench.Options) result.Run {
	t.Helper()
	netlab.Test(t) // for what it skips
	r, err := bench.New(o)
	must(t, err)
	p := &told{}
	run, err := r.Run(t.Context(), p)
	must(t, err)
	if p.steps != r.Steps() || len(p.doing) != p.steps {
		t.Errorf("%d steps of %d, %d told", p.steps, r.Steps(), len(p.doing))
	}
	return run
}

// measureEnough measures until something is done in every round, for longer
// each time: a busy machine may leave a round no time at all.
func measureEnough(t *testing.T, o bench.Options) result.Run {
	t.Helper()
	for ; ; o.Duration *= 3 {
		run := measure(t, o)
		if !slices.ContainsFunc(run.Measures, undone) || o.Duration > 5*time.Second {
			return run
		}
	}
}

func undone(m result.Measure) bool {
	return len(m.Rounds) == 0 || m.Rounds[0].Operations == 0
}

// Shunt beside another shunt, and beside nothing.
func TestShuntBesideDirect(t *testing.T) {
	shunt := program(t)
	run := measureEnough(t, bench.Options{
		Scenarios: []string{"connections", "requests", "mixed", "pieces", "throughput", "idle", "udp"}, Connections: 16,
		Subjects: []*subject.Subject{find(t, "shunt-proxy"), find(t, "direct")},
		Rounds:   1, Duration: 300 * time.Millisecond, Shunt: shunt, Baseline: shunt, Weights: []int{2, 1},
	})
	if len(run.Measures) != 21 {
		t.Fatalf("%d measures", len(run.Measures))
	}
	for _, m := range run.Measures {
		what := m.Scenario + " of " + m.Subject
		if m.Note != "" || len(m.Rounds) != 1 {
			t.Fatalf("%s: %d rounds, %s", what, len(m.Rounds), m.Note)
		}
		plausible(t, what, m)
	}
	if run.Machine.Programs["shunt-proxy"] == "" || run.Machine.Programs[subject.BaselineName] == "" || run.Machine.Kernel == "" || run.Pinning == "" {
		t.Errorf("machine: %+v, %q", run.Machine, run.Pinning)
	}
}

func plausible(t *testing.T, what string, m result.Measure) {
	t.Helper()
	r := m.Rounds[0]
	if r.Errors != 0 || r.Operations == 0 {
		t.Errorf("%s: %d operations, %d errors: %v", what, r.Operations, r.Errors, r.Failures)
	}
	if r.Seconds < 0.25 || r.Seconds > 10 {
		t.Errorf("%s: measured for %v s", what, r.Seconds)
	}
	if m.Scenario == "idle" {
		if r.Operations != 16 || m.Subject != subject.Direct && r.Memory.Connections != 16 {
			t.Errorf("%s: %d of 16 connections held, memory of %d", what, r.Operations, r.Memory.Connections)
		}
		return
	}
	busy := r.Subject.Busy()
	if m.Subject == subject.Direct && busy != 0 || m.Subject != subject.Direct && (busy <= 0 || busy > 8*r.Seconds) {
		t.Errorf("%s: %v s of processor time in %v s", what, busy, r.Seconds)
	}
}

// many measures one subject for as long as it takes to direct that many
// connections in one round.
func many(t *testing.T, s *subject.Subject, enough uint64) result.Measure {
	t.Helper()
	for d := time.Second; d < 2*time.Minute; d *= 2 {
		run := measure(t, bench.Options{
			Scenarios: []string{"connections"}, Connections: 6, Subjects: []*subject.Subject{s}, Rounds: 1, Duration: d,
		})
		if m := run.Measures[0]; len(m.Rounds) == 1 && m.Rounds[0].Operations >= enough {
			return m
		}
	}
	t.Fatalf("%s: fewer than %d connections in a minute", s.Name, enough)
	return result.Measure{}
}

func TestALostConnectionInAThousandIsFoundOut(t *testing.T) {
	for defect, most := range map[string]float64{"lossy": 0.002, "none": 0} {
		m := many(t, defective(defect), 2000)
		good, lost := float64(m.Rounds[0].Operations), float64(m.Errors())
		share := lost / (good + lost)
		if share > most || share < most/10 {
			t.Errorf("%s: %v of %v connections lost", defect, lost, good+lost)
		}
	}
}

func TestAWrongDistributionIsFoundOut(t *testing.T) {
	for defect, wrong := range map[string]bool{"unfair": true, "none": false} {
		m := many(t, defective(defect), 500)
		if strings.HasPrefix(m.Note, "wrong distribution: real server ") != wrong {
			t.Errorf("%s: %q, %v", defect, m.Note, m.Rounds[0].Reals)
		}
	}
}

func TestFiveMillisecondsAreFoundOut(t *testing.T) {
	slow, ok := many(t, defective("slow"), 1).Latency(0.5)
	if !ok || slow < 0.005 {
		t.Errorf("half of the connections took no longer than %v s, with 5 ms added", slow)
	}
}

// A director that acknowledges the first piece of an answer late gets the second
// one late.
func TestLateAcknowledgementsAreFoundOut(t *testing.T) {
	lazy, ok := one(t, "pieces", 1, defective("lazy")).Latency(0.5)
	if !ok || lazy < 0.02 {
		t.Errorf("half of the answers in two pieces were there after %v s, with acknowledgements 40 ms late", lazy)
	}
}

// Beside bulk, latency is that of the small requests and the rate that of bulk.
func TestSmallRequestsThatWaitAreFoundOut(t *testing.T) {
	m := one(t, "mixed", 2, defective("unjust"))
	unjust, ok := m.Latency(0.5)
	if !ok || unjust < 0.005 {
		t.Errorf("half of the small requests took no longer than %v s, with 5 ms added", unjust)
	}
	if r := m.Rounds[0]; r.Operations == 0 || m.Unit != "MiB" || m.Timed == "" {
		t.Errorf("%d %s beside requests, latency of a %q", r.Operations, m.Unit, m.Timed)
	}
}

// one measures one round of one subject.
func one(t *testing.T, scenario string, connections int, s *subject.Subject) result.Measure {
	t.Helper()
	run := measureEnough(t, bench.Options{
		Scenarios: []string{scenario}, Connections: connections, Subjects: []*subject.Subject{s}, Rounds: 1, Duration: 500 * time.Millisecond,
	})
	m := run.Measures[0]
	if len(m.Rounds) != 1 || m.Errors() > 0 {
		t.Fatalf("%s of %s: %+v", scenario, s.Name, m)
	}
	return m
}

func TestFaultsAreCounted(t *testing.T) {
	run := measure(t, bench.Options{
		Scenarios: []string{"failover"}, Faults: []string{"frozen", "reload"},
		Subjects: []*subject.Subject{find(t, "shunt-proxy")}, Shunt: program(t),
	})
	if len(run.Failovers) != 2 {
		t.Fatalf("%d faults", len(run.Failovers))
	}
	frozen, reload := run.Failovers[0], run.Failovers[1]
	for _, f := range run.Failovers {
		var counted, before uint64
		for _, m := range f.Timeline {
			counted += m.Good + m.Lost
			if m.At < 0 {
				before += m.Good
			}
		}
		if f.Note != "" || f.Requests == 0 || before == 0 || counted != f.Requests {
			t.Errorf("%s: %d requests, %d in the timeline, %d before it: %s", f.Fault, f.Requests, counted, before, f.Note)
		}
	}
	// The real server takes connections, and says nothing until a check has
	// waited in vain.
	if frozen.Lost == 0 || frozen.Last <= 0 {
		t.Errorf("frozen: %d lost, the last after %v s", frozen.Lost, frozen.Last)
	}
	if reload.Lost != 0 {
		t.Errorf("reload: %d lost", reload.Lost)
	}
}

func TestInterrupted(t *testing.T) {
	netlab.Test(t)
	r, err := bench.New(bench.Options{
		Scenarios: []string{"connections"}, Connections: 4, Subjects: []*subject.Subject{find(t, "direct")},
		Rounds: 50, Duration: 200 * time.Millisecond, Warmup: time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &told{then: cancel}
	run, err := r.Run(ctx, p)
	must(t, err)
	if len(run.Measures) != 1 || len(run.Measures[0].Rounds) != 1 {
		t.Errorf("kept: %+v", run.Measures)
	}
	if !strings.Contains(strings.Join(run.Limits, "\n"), "ended before all was measured") {
		t.Errorf("not said: %q", run.Limits)
	}
}

func TestRefused(t *testing.T) {
	for want, o := range map[string]bench.Options{
		`no scenario is called "speed": there are ` + strings.Join(bench.Scenarios(), ", "):                      {Scenarios: []string{"speed"}},
		`no scheduler is called "random": there are rr, wrr, lc, wlc, sed, nq, sh, dh, mh, lblc, lblcr, fo, ovf`: {Scheduler: "random"},
		"-1 rounds: want 1 to 1000":                            {Rounds: -1},
		"rounds of 1ms: want 100ms to 1h0m0s":                  {Duration: time.Millisecond},
		"weight 70000: want 0 to 65535":                        {Weights: []int{1, 70000}},
		"all weights are 0: no real server takes a connection": {Weights: []int{0, 0}},
		"checks of 399 real servers: want 400 to 50000":        {RealServers: []int{1000, 399}},
	} {
		if _, err := bench.New(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

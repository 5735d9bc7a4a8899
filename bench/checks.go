package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// A manyWork is one measurement of checks of many real servers.
type manyWork struct {
	kind  string // for the report
	check subject.Check
	reals int
	every time.Duration // between the checks of each
	// silent: half of the real servers stop answering, rather than a few.
	silent bool
}

// manyRounds bounds the rounds of each subject: they are long.
const manyRounds = 3

func (r *Runner) manyWorks() (all []manyWork) {
	for _, n := range r.RealServers {
		every := time.Second
		if r.slowMachine() {
			every = 5 * time.Second
		}
		all = append(all,
			manyWork{kind: "connect", check: subject.CheckConnect, reals: n, every: every},
			manyWork{kind: "connect, reset", check: subject.CheckReset, reals: n, every: every},
			manyWork{kind: "http", check: subject.CheckHTTP, reals: n, every: every},
		)
	}
	most := slices.Max(r.RealServers)
	return append(all, manyWork{kind: "http, half fall silent", check: subject.CheckHTTP, reals: most, every: 5 * time.Second, silent: true})
}

// slowMachine reports whether a subject needs the kernel's IPVS, which runs in an
// emulated machine.
func (r *Runner) slowMachine() bool {
	return slices.ContainsFunc(r.Subjects, func(s *subject.Subject) bool { return s.Kernel })
}

func (r *Runner) planChecks() {
	for _, w := range r.manyWorks() {
		rows := map[*subject.Subject]int{}
		for _, s := range r.Subjects {
			if s.Checks() && (w.check != subject.CheckReset || s.Own() && s.Name != subject.BaselineName) && (!w.silent || s.Tells()) {
				rows[s] = len(r.result.Checks)
				r.result.Checks = append(r.result.Checks, result.Checks{Kind: w.kind, Subject: s.Name, RealServers: w.reals, Interval: w.every.Seconds()})
			}
		}
		rounds := min(r.Rounds, manyRounds)
		for n := range rounds {
			for _, s := range r.Subjects {
				if row, ok := rows[s]; ok {
					what := fmt.Sprintf("checks: %s, %s of %d real servers, round %d of %d", s.Name, w.kind, w.reals, n+1, rounds)
					r.steps = append(r.steps, step{what, func(ctx context.Context) error { return r.checks(ctx, s, w, row) }})
				}
			}
		}
	}
}

// checks measures once the cost of checking many real servers, and keeps it.
func (r *Runner) checks(ctx context.Context, s *subject.Subject, w manyWork, row int) error {
	got := &r.result.Checks[row]
	found, late := r.detected[row], r.lateness[row]
	round, err := r.measureChecks(ctx, s, w, &found, &late)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		got.Note = strings.ReplaceAll(err.Error(), "\n", "; ")
		return nil
	}
	r.detected[row], r.lateness[row] = found, late
	got.Rounds = append(got.Rounds, round)
	if found.Count() > 0 {
		got.Detection = found.Quantiles(0.5, 0.9, 0.99, 1)
	}
	if late.Count() > 0 {
		got.Lateness = late.Quantiles(0.5, 0.99, 1)
	}
	return nil
}

// measureChecks measures the subject with one real server, for its memory, and
// then with all.
func (t *testbed) measureChecks(ctx context.Context, s *subject.Subject, w manyWork, found, late *load.Latency) (round result.ChecksRound, err error) {
	one := w
	one.reals = 1
	err = t.withChecks(s, one, func(d *detection) (err error) {
		round.Idle, err = d.idle(ctx)
		return err
	})
	if err != nil {
		return round, err
	}
	return round, t.withChecks(s, w, func(d *detection) error { return d.measure(ctx, &round, found, late) })
}

// withChecks calls do while the subject checks real servers.
func (t *testbed) withChecks(s *subject.Subject, w manyWork, do func(*detection) error) error {
	l, err := lab.New(lab.Options{Topology: lab.Loopback, RealServers: w.reals, IPv6: t.IPv6})
	if err != nil {
		return err
	}
	defer l.Close()
	in, lines, err := t.startHealthServer(l, w.every)
	if err != nil {
		return err
	}
	defer in.Close()
	set := t.setting(&work{client: load.Client{Kind: load.Connections, Connections: 100}})
	set.Interval, set.HealthPort, set.Check = w.every, healthPort, w.check
	large := *t
	large.Weights = slices.Repeat([]int{1}, w.reals)
	if err := large.place(&set, l); err != nil {
		return err
	}
	running, err := s.Start(set)
	if err != nil {
		return err
	}
	defer running.Stop()
	return do(&detection{manyWork: w, running: running, in: in, lines: lines, targets: set.Reals})
}

// startHealthServer starts the process that answers the checks of all real
// servers.
func (t *testbed) startHealthServer(l *lab.Lab, interval time.Duration) (io.WriteCloser, <-chan said, error) {
	cmd := exec.Command("/proc/self/exe", healthMark, fmt.Sprintf(":%d", healthPort), interval.String())
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	if _, err := l.Director.Start(lab.Pin(cmd, t.processors.Others)); err != nil {
		return nil, nil, err
	}
	// There is room for two lines of each real server, so that no reader is
	// needed before the end.
	lines := make(chan said, 2*l.RealServers+1)
	go func() {
		defer close(lines)
		d := json.NewDecoder(out)
		for {
			var s said
			if d.Decode(&s) != nil {
				return
			}
			lines <- s
		}
	}()
	return in, lines, nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// A Runner is a run that is planned. Its methods are for one goroutine.
type Runner struct {
	testbed
	progress Progress
	steps    []step
	result   result.Run
	// Latencies of checks, by the number of their row.
	detected, lateness map[int]load.Latency
}

// A step is one round of one subject, or one fault.
type step struct {
	what string
	do   func(context.Context) error
}

// New plans a run. The error says which option is wrong, or what this machine
// lacks.
func New(o Options) (*Runner, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Runner{testbed: testbed{Options: o}, detected: map[int]load.Latency{}, lateness: map[int]load.Latency{}}
	if err := r.choose(); err != nil {
		return nil, err
	}
	var err error
	if r.processors, err = lab.Share(o.DirectorProcessors); err != nil {
		return nil, err
	}
	r.result = result.Run{
		Version: result.Version, Command: o.Command, Pinning: r.processors.String(), Limits: limits(r.processors),
	}
	for _, s := range r.Scenarios {
		r.plan(s)
	}
	return r, nil
}

// Steps returns how many steps the progress will see.
func (r *Runner) Steps() int { return len(r.steps) }

// Run measures. When ctx is done it ends the step under way and returns the
// results until then, without an error. Other errors end the run in the same way.
// Run may be called once.
func (r *Runner) Run(ctx context.Context, p Progress) (run result.Run, err error) {
	r.progress = p
	r.result.Began = time.Now()
	if r.dir, err = os.MkdirTemp("", "shunt-bench-"); err != nil {
		return r.result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.result.Machine, err = r.machine(); err != nil {
		return r.result, err
	}
	r.emulated = r.result.Machine.Emulated
	err = r.runSteps(ctx)
	r.conclude()
	r.result.Seconds = time.Since(r.result.Began).Seconds()
	return r.result, err
}

// runSteps runs the steps one after the other, until one fails or ctx is done.
func (r *Runner) runSteps(ctx context.Context) error {
	for _, s := range r.steps {
		r.progress.Doing(s.what)
		err := s.do(ctx)
		switch {
		case ctx.Err() != nil:
			r.limit("The run was ended before all was measured.")
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", s.what, err)
		}
		r.progress.Step()
	}
	return nil
}

// limit adds a sentence to the limits of the run, once.
func (r *Runner) limit(sentence string) {
	if !slices.Contains(r.result.Limits, sentence) {
		r.result.Limits = append(r.result.Limits, sentence)
	}
}

// choose selects the subjects that run on this machine if none were given. Those
// that were given have to run.
func (r *Runner) choose() error {
	asked := len(r.Subjects) > 0
	if !asked {
		for _, name := range subject.Names() {
			s, err := subject.Find(name)
			if err != nil {
				return err
			}
			r.Subjects = append(r.Subjects, s)
		}
	}
	if r.Baseline != "" {
		r.Subjects = append(r.Subjects, subject.Baseline(r.Baseline))
	}
	var here []*subject.Subject
	for _, s := range r.Subjects {
		err := s.Available(r.Shunt)
		switch {
		case err == nil:
			here = append(here, s)
		case asked || s.Name == subject.BaselineName:
			return fmt.Errorf("subject %s: %w", s.Name, err)
		}
	}
	r.Subjects = here
	return nil
}

// plan adds the steps of a scenario.
func (r *Runner) plan(scenario string) {
	switch scenario {
	case "schedulers":
		r.planSchedulers()
	case "failover":
		r.planFailover()
	case "checks":
		r.planChecks()
	}
	for _, w := range steady(scenario, r.Connections) {
		r.planWork(w)
	}
}

// planWork adds the rounds of the subjects in turn, so that changes on the
// machine affect all of them.
func (r *Runner) planWork(w work) {
	rows := map[*subject.Subject]int{}
	for _, s := range r.Subjects {
		set := r.setting(&w)
		if err := s.Refuses(&set); err != nil {
			r.limit(fmt.Sprintf("%s takes no part in %s: %v.", s.Name, w.scenario, err))
			continue
		}
		rows[s] = len(r.result.Measures)
		r.result.Measures = append(r.result.Measures, result.Measure{Scenario: w.scenario, Work: w.name, Unit: w.unit, Timed: w.timed, Subject: s.Name})
	}
	for n := range r.Rounds {
		for _, s := range r.Subjects {
			if row, ok := rows[s]; ok {
				what := fmt.Sprintf("%s: %s, round %d of %d", w.scenario, s.Name, n+1, r.Rounds)
				r.steps = append(r.steps, step{what, func(ctx context.Context) error { return r.round(ctx, s, w, row) }})
			}
		}
	}
}

// conclude marks the measures that the generator limited, and drops those without
// a round.
func (r *Runner) conclude() {
	var measured []result.Measure
	for _, m := range r.result.Measures {
		if m.Note == "" {
			m.Note = r.unfair(m)
		}
		if len(m.Rounds) > 0 || m.Note != "" {
			measured = append(measured, m)
		}
	}
	r.result.Measures = measured
	r.result.Checks = slices.DeleteFunc(r.result.Checks, func(c result.Checks) bool { return len(c.Rounds) == 0 && c.Note == "" })
	result.MarkBounded(r.result.Measures)
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// The measurement of checks of thousands of real servers.
const (
	manyInterval = 5 * time.Second       // between the checks of each
	manyMeasure  = manyInterval          // how long their cost is measured
	manyFail     = 20                    // real servers that become unwell then
	manyPoll     = 20 * time.Millisecond // how often the table is read
)

var many = []int{1000, 5000}

func (r *Runner) planChecks() {
	for _, n := range many {
		for _, s := range r.Subjects {
			if !s.Checks() {
				continue
			}
			r.steps = append(r.steps, step{fmt.Sprintf("checks: %s, %d real servers", s.Name, n), func(ctx context.Context) error {
				return r.checks(ctx, s, n)
			}})
		}
	}
}

// checks measures what looking after n real servers costs, and keeps it.
func (r *Runner) checks(ctx context.Context, s *subject.Subject, n int) error {
	got := result.Checks{Subject: s.Name, RealServers: n, Interval: manyInterval.Seconds()}
	err := r.measureChecks(ctx, s, &got)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		got.Note = err.Error()
	}
	r.result.Checks = append(r.result.Checks, got)
	return nil
}

func (t *testbed) measureChecks(ctx context.Context, s *subject.Subject, got *result.Checks) error {
	l, err := lab.New(lab.Options{Topology: lab.Loopback, RealServers: got.RealServers, IPv6: t.IPv6})
	if err != nil {
		return err
	}
	defer l.Close()
	in, firstChecks, err := t.startHealthServer(l)
	if err != nil {
		return err
	}
	defer in.Close()
	set := t.setting(&work{client: load.Client{Kind: load.Connections, Connections: 100}})
	set.Interval, set.HealthPort = manyInterval, healthPort
	large := *t
	large.Weights = slices.Repeat([]int{1}, got.RealServers)
	if err := large.place(&set, l); err != nil {
		return err
	}
	running, err := s.Start(set)
	if err != nil {
		return err
	}
	defer running.Stop()
	w := &detection{running: running, in: in, firstChecks: firstChecks, reals: set.Reals}
	return w.measure(ctx, got)
}

// startHealthServer starts the process that answers the checks of all real
// servers.
func (t *testbed) startHealthServer(l *lab.Lab) (io.WriteCloser, <-chan firstCheck, error) {
	cmd := exec.Command("/proc/self/exe", healthMark, fmt.Sprintf(":%d", healthPort))
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	if _, err := l.Director.Start(lab.Pin(cmd, t.processors.Others)); err != nil {
		return nil, nil, err
	}
	// There is room for all of them: nobody has to read until the end.
	firstChecks := make(chan firstCheck, l.RealServers+manyFail)
	go func() {
		defer close(firstChecks)
		d := json.NewDecoder(out)
		for {
			var c firstCheck
			if d.Decode(&c) != nil {
				return
			}
			firstChecks <- c
		}
	}()
	return in, firstChecks, nil
}

// A detection is a subject and the real servers that it checks.
type detection struct {
	running     *subject.Running
	in          io.Writer
	firstChecks <-chan firstCheck
	reals       []subject.Real
}

// measure looks at what the checks cost while all are well, and after that at
// how long those that fail stay in service.
func (w *detection) measure(ctx context.Context, got *result.Checks) error {
	for range w.reals {
		if err := w.first(ctx); err != nil {
			return fmt.Errorf("until every real server was checked once: %w", err)
		}
	}
	before, err := w.running.Usage()
	if err != nil {
		return err
	}
	if err := sleep(ctx, manyMeasure); err != nil {
		return err
	}
	after, err := w.running.Usage()
	if err != nil {
		return err
	}
	wall := after.At.Sub(before.At).Seconds()
	used, _ := after.Since(before, wall)
	// Nothing is forwarded: what is in SoftIRQ are the checks themselves, in
	// the system's share already.
	got.Processor, got.Memory = (used.User+used.System)/wall, after.PSS
	found, err := w.failures(ctx)
	got.Detection = found.Quantiles(0.5, 0.9, 1)
	return err
}

// first awaits the first check of some real server.
func (w *detection) first(ctx context.Context) error {
	select {
	case _, ok := <-w.firstChecks:
		if !ok {
			return errors.New("the real servers are gone")
		}
		return nil
	case <-time.After(6 * manyInterval):
		return errors.Join(fmt.Errorf("no check for %v", 6*manyInterval), w.running.Err())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

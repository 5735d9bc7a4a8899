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

// What is asked of those who check thousands of real servers.
const (
	manyInterval = 5 * time.Second       // between the checks of each
	manyWatch    = manyInterval          // what checks cost is looked at for so long
	manyDie      = 20                    // real servers that become unwell then
	manyLook     = 20 * time.Millisecond // how exactly it is known when that shows
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
	err := r.lookAfter(ctx, s, &got)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		got.Note = err.Error()
	}
	r.result.Checks = append(r.result.Checks, got)
	return nil
}

func (t *testbed) lookAfter(ctx context.Context, s *subject.Subject, got *result.Checks) error {
	l, err := lab.New(lab.Options{Topology: lab.Loopback, RealServers: got.RealServers, IPv6: t.IPv6})
	if err != nil {
		return err
	}
	defer l.Close()
	in, sightings, err := t.ward(l)
	if err != nil {
		return err
	}
	defer in.Close()
	set := t.setting(&work{client: load.Client{Kind: load.Connections, Connections: 100}})
	set.Interval, set.HealthPort = manyInterval, healthPort
	large := *t
	large.Weights = slices.Repeat([]int{1}, got.RealServers)
	if err := large.furnish(&set, l); err != nil {
		return err
	}
	running, err := s.Start(set)
	if err != nil {
		return err
	}
	defer running.Stop()
	w := &watchfulness{running: running, in: in, sightings: sightings, reals: set.Reals}
	return w.measure(ctx, got)
}

// ward starts what answers the checks of all real servers.
func (t *testbed) ward(l *lab.Lab) (io.WriteCloser, <-chan sighting, error) {
	cmd := exec.Command("/proc/self/exe", healthMark, fmt.Sprintf(":%d", healthPort))
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	if _, err := l.Director.Start(lab.Pin(cmd, t.processors.Others)); err != nil {
		return nil, nil, err
	}
	// Room for all of them: nobody has to listen until the end.
	sightings := make(chan sighting, l.RealServers+manyDie)
	go func() {
		defer close(sightings)
		d := json.NewDecoder(out)
		for {
			var s sighting
			if d.Decode(&s) != nil {
				return
			}
			sightings <- s
		}
	}()
	return in, sightings, nil
}

// watchfulness is a subject and those it looks after.
type watchfulness struct {
	running   *subject.Running
	in        io.Writer
	sightings <-chan sighting
	reals     []subject.Real
}

// measure looks at what the checks cost while all are well, and after that at
// how long it takes until those who die get no connection any more.
func (w *watchfulness) measure(ctx context.Context, got *result.Checks) error {
	for range w.reals {
		if err := w.first(ctx); err != nil {
			return fmt.Errorf("until every real server was checked once: %w", err)
		}
	}
	before, err := w.running.Usage()
	if err != nil {
		return err
	}
	if err := sleep(ctx, manyWatch); err != nil {
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
	found, err := w.deaths(ctx)
	got.Detection = found.Quantiles(0.5, 0.9, 1)
	return err
}

// first awaits the first check of some real server.
func (w *watchfulness) first(ctx context.Context) error {
	select {
	case _, ok := <-w.sightings:
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

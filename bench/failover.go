package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// A fault is an event in a cluster while clients go on.
type fault struct {
	name string
	// before brings the cluster into the state in which the fault happens; it
	// may be nil.
	before func(context.Context, *testbed, *cluster) error
	inject func(context.Context, *testbed, *cluster) error
}

// victim is the real server of the faults.
const victim = 0

var faults = []fault{
	{"killed", nil, func(_ context.Context, _ *testbed, c *cluster) error { c.kill(victim); return nil }},
	{"frozen", nil, func(_ context.Context, _ *testbed, c *cluster) error { return c.signal(victim, unix.SIGSTOP) }},
	{"unplugged", nil, func(_ context.Context, _ *testbed, c *cluster) error { return c.lab.Unplug(victim) }},
	{"drained", nil, drain},
	{"returns", killFirst, func(ctx context.Context, t *testbed, c *cluster) error { return t.startServer(ctx, c, victim) }},
	{"reload", nil, func(_ context.Context, _ *testbed, c *cluster) error { return c.subject.Configure(c.subject.Reals) }},
	{"restart", nil, func(_ context.Context, _ *testbed, c *cluster) error { c.subject.Stop(); return c.subject.Restart() }},
	{"crash", nil, func(_ context.Context, _ *testbed, c *cluster) error { c.subject.Kill(); return c.subject.Restart() }},
}

// Faults returns the names of all faults.
func Faults() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

func drain(_ context.Context, _ *testbed, c *cluster) error {
	reals := slices.Clone(c.subject.Reals)
	reals[victim].Weight = 0
	return c.subject.Configure(reals)
}

func killFirst(ctx context.Context, t *testbed, c *cluster) error {
	c.kill(victim)
	return c.await(ctx, t.inService(victim+1)...)
}

// A pace is the load of the clients while a fault happens.
type pace struct {
	after   time.Duration // the fault happens that long after the begin
	watch   time.Duration // clients go on that long behind it
	timeout time.Duration // of each request; longer than a director tries a real server
	rate    float64       // new connections a second
	kept    float64       // requests a second over those that are kept
}

// An emulated processor is many times slower, but its timers are not. Its load is
// so small that all losses are due to the fault.
var (
	usualPace    = pace{2500 * time.Millisecond, 4 * time.Second, 2 * time.Second, 300, 100}
	emulatedPace = pace{4 * time.Second, 10 * time.Second, 3 * time.Second, 40, 20}
)

const (
	faultKept  = 20                    // connections that are kept
	faultGrain = 10 * time.Millisecond // how exactly the last loss is known
	faultTries = 3                     // how often a fault is tried until nothing is lost before it
	momentRate = 10                    // moments a second in the report
)

func (t *testbed) pace() pace {
	if t.emulated {
		return emulatedPace
	}
	return usualPace
}

// planFailover adds the steps of each fault, the subjects in turn.
func (r *Runner) planFailover() {
	for _, f := range faults {
		if len(r.Faults) > 0 && !slices.Contains(r.Faults, f.name) {
			continue
		}
		for _, s := range r.Subjects {
			set := r.setting(&work{})
			if err := s.Refuses(&set); s.Name == subject.Direct || err != nil {
				continue
			}
			r.steps = append(r.steps, step{fmt.Sprintf("failover: %s, %s", s.Name, f.name), func(ctx context.Context) error { return r.failover(ctx, s, f) }})
		}
	}
}

// failover measures the cost of one fault, and keeps it. A subject that does not
// survive the fault is a result, too.
func (r *Runner) failover(ctx context.Context, s *subject.Subject, f fault) error {
	var got result.Failover
	for range faultTries {
		got = result.Failover{Subject: s.Name, Fault: f.name}
		err := r.measureFault(ctx, s, f, &got)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			got.Note = err.Error()
		}
		if got.Note == "" {
			break
		}
	}
	r.result.Failovers = append(r.result.Failovers, got)
	return nil
}

func (t *testbed) measureFault(ctx context.Context, s *subject.Subject, f fault, got *result.Failover) error {
	c, err := t.cluster(ctx, s, checkInterval)
	if err != nil {
		return err
	}
	defer c.close()
	if f.before != nil {
		if err := f.before(ctx, t, c); err != nil {
			return err
		}
	}
	fresh, err := t.startClients(ctx, c, load.Connections)
	if err != nil {
		return err
	}
	kept, err := t.startClients(ctx, c, load.Requests)
	if err != nil {
		_, _ = fresh.Stop()
		return err
	}
	at, err := inject(ctx, fresh, t.pace().after, func() error { return f.inject(ctx, t, c) })
	o, err1 := fresh.Wait()
	k, err2 := kept.Wait()
	if err := errors.Join(err, err1, err2); err != nil {
		return err
	}
	tally(got, o, k, at)
	if n := early(o.Timeline, at-t.pace().timeout.Seconds()); n > 0 {
		got.Note = fmt.Sprintf("%d were lost before the fault: the machine was too busy", n)
	}
	return nil
}

// startClients starts clients that come at a fixed rate, whether or not they get
// answers.
func (t *testbed) startClients(ctx context.Context, c *cluster, kind load.Kind) (*load.Process, error) {
	p := t.pace()
	client := c.client(kind, int(4*p.rate*p.timeout.Seconds())) // more than may hang at once
	client.Rate = p.rate
	if kind == load.Requests {
		client.Connections, client.Rate = faultKept, p.kept
	}
	client.Duration, client.Timeout, client.Interval = p.after+p.watch, p.timeout, faultGrain
	return load.Start(ctx, load.Job{Client: client, Processors: t.processors.Others})
}

// inject causes the fault at its time after the begin, and returns that time in
// seconds.
func inject(ctx context.Context, p *load.Process, after time.Duration, fault func() error) (float64, error) {
	select {
	case <-p.Begun():
	case <-p.Done():
		return 0, nil // Wait returns the error
	}
	select {
	case <-time.After(time.Until(p.Began().Add(after))):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	at := time.Since(p.Began()).Seconds()
	return at, fault()
}

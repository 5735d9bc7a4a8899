package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// The ports of virtual services and of real servers, which differ because
// everything may be on one machine.
const (
	servicePort = 8080
	realPort    = 9000
)

// patience is how long a subject may take until it answers.
const patience = 15 * time.Second

// shares are the quantiles of latency that a report has.
var shares = []float64{0.5, 0.9, 0.99, 0.999, 1}

// A setup is a subject in a lab, with the work that is to be done there.
type setup struct {
	lab     *lab.Lab
	subject *subject.Running
	work    *work
	job     load.Job
}

// round measures one subject once, and keeps the result. A subject that cannot do
// the work is no error of the run.
func (r *Runner) round(ctx context.Context, s *subject.Subject, w work, row int) error {
	m := &r.result.Measures[row]
	st, err := r.setUp(s, &w)
	if err != nil {
		return err
	}
	defer st.close()
	m.Command = st.subject.Command()
	got, err := st.measure(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		m.Note = fmt.Sprintf("not measured: %v", err)
		return nil
	}
	m.Rounds = append(m.Rounds, got)
	return nil
}

// setUp builds the lab and starts the subject in it.
func (r *Runner) setUp(s *subject.Subject, w *work) (*setup, error) {
	l, err := r.lab(or(r.Topology, r.cheapest()))
	if err != nil {
		return nil, err
	}
	for _, limit := range l.Limits {
		r.limit(limit)
	}
	st := &setup{lab: l, work: w}
	set := r.setting(w)
	if err := r.place(&set, l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if st.subject, err = s.Start(set); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	st.job = r.job(st)
	return st, nil
}

func (st *setup) close() {
	st.subject.Stop()
	_ = st.lab.Close() // nothing is left to be done about a namespace
	_ = os.RemoveAll(st.subject.Dir)
}

// job returns the job of the load process.
func (t *testbed) job(st *setup) load.Job {
	clients, buffer := st.work.all(), 0
	for i := range clients {
		c := &clients[i]
		c.Targets, c.Namespace = st.subject.Targets(), st.lab.Client.Path()
		c.Warmup, c.Duration = t.Warmup, t.Duration
		buffer = max(buffer, c.Buffer)
	}
	j := load.Job{Client: &clients[0], Processors: t.processors.Others}
	if len(clients) > 1 {
		j.Beside = &clients[1]
	}
	for i, real := range st.subject.Reals {
		j.Serve = append(j.Serve, load.Serve{Address: real.Addr, Number: i, Namespace: st.lab.Real[i].Path(), Buffer: buffer})
	}
	return j
}

// measure waits until the subject answers, warms it up and measures.
func (st *setup) measure(ctx context.Context) (result.Round, error) {
	before, err := st.await(ctx)
	if err != nil {
		return result.Round{}, err
	}
	g, err := generate(ctx, st.job)
	if err != nil {
		return result.Round{}, err
	}
	begin, end, err := st.watch(ctx, g.client)
	o, err2 := g.wait()
	if err := errors.Join(err, err2, st.subject.Err()); err != nil {
		return result.Round{}, err
	}
	o = together(o)
	round := st.work.round(o)
	round.Subject, round.Idle = end.Since(begin, o.Seconds)
	round.Memory = end.Held(before, o.Established)
	return round, nil
}

// watch reads the usage of the subject when the measured time begins and when it
// ends.
func (st *setup) watch(ctx context.Context, p *load.Process) (begin, end subject.Usage, err error) {
	select {
	case <-p.Begun():
	case <-p.Done():
		return begin, end, nil // Wait says why
	}
	if begin, err = st.subject.Usage(); err != nil {
		return begin, end, err
	}
	select {
	case <-time.After(time.Until(p.Began().Add(st.job.Client.Duration))):
	case <-ctx.Done():
	}
	end, err = st.subject.Usage()
	return begin, end, err
}

// await waits until the subject answers a client, and returns its usage then.
func (st *setup) await(ctx context.Context) (subject.Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	try := st.job
	c := *try.Client
	c.Kind, c.Rate, c.Connections, c.Flows, c.Request, c.Answer = load.Connections, 0, 1, 1, 0, 0
	if st.job.Client.Kind == load.Datagrams {
		c.Kind = load.Datagrams
	}
	c.Warmup, c.Duration, c.Timeout = 0, 20*time.Millisecond, 200*time.Millisecond
	try.Client, try.Beside = &c, nil
	for {
		o, err := load.Run(ctx, try)
		switch {
		case ctx.Err() != nil:
			return subject.Usage{}, fmt.Errorf("it did not answer within %v: %v", patience, o.Failures)
		case err != nil:
			return subject.Usage{}, err
		case st.subject.Err() != nil:
			return subject.Usage{}, st.subject.Err()
		case o.Operations > 0 && o.Errors == 0:
			return st.subject.Usage()
		}
	}
}

// together adds the errors and the connections of the load beside.
func together(o load.Outcome) load.Outcome {
	b := o.Beside
	if b == nil {
		return o
	}
	o.Errors += b.Errors
	o.Established += b.Established
	failures := map[string]int{}
	for _, f := range []map[string]int{o.Failures, b.Failures} {
		for kind, n := range f {
			failures[kind] += n
		}
	}
	o.Failures = failures
	return o
}

// round converts the outcome of a load process.
func (w *work) round(o load.Outcome) result.Round {
	r := result.Round{
		Seconds: o.Seconds, Operations: w.operations(o), Errors: o.Errors, Failures: o.Failures, Generator: o.CPU, Reals: o.Reals,
	}
	if o.Latency.Count() > 0 {
		r.Latency = o.Latency.Quantiles(shares...)
	}
	return r
}

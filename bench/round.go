package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/dataplane"
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

// A stage is a subject in a lab, with the work that is to be done there.
type stage struct {
	lab     *lab.Lab
	subject *subject.Running
	work    *work
	job     load.Job
}

// round measures one subject once, and keeps what came of it. A subject that
// cannot do the work is no error of the run.
func (r *Runner) round(ctx context.Context, s *subject.Subject, w work, row int) error {
	m := &r.result.Measures[row]
	st, err := r.set(s, &w)
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

// set builds the lab and starts the subject in it.
func (r *Runner) set(s *subject.Subject, w *work) (*stage, error) {
	l, err := r.lab(or(r.Topology, r.cheapest()))
	if err != nil {
		return nil, err
	}
	for _, limit := range l.Limits {
		r.limit(limit)
	}
	st := &stage{lab: l, work: w}
	set := r.setting(w)
	if err := r.furnish(&set, l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if st.subject, err = s.Start(set); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	st.job = r.job(st)
	return st, nil
}

// cheapest is the topology of a steady load, the same for all subjects: IPVS
// needs links between its clients and its real servers.
func (r *Runner) cheapest() lab.Topology {
	for _, s := range r.Subjects {
		if s.Kernel {
			return lab.Routed
		}
	}
	return lab.Loopback
}

func (st *stage) close() {
	st.subject.Stop()
	_ = st.lab.Close() // nothing is left to be done about a namespace
	_ = os.RemoveAll(st.subject.Dir)
}

func (r *Runner) lab(t lab.Topology) (*lab.Lab, error) {
	f, _ := forward(r.Forward) // looked at by New
	return lab.New(lab.Options{
		Topology: t, RealServers: len(r.Weights), IPv6: r.IPv6, Forward: f,
		MTU: r.MTU, Delay: r.Delay, Loss: r.Loss, Processors: r.processors,
	})
}

// setting is what a subject has to do for a work, without a place to do it.
func (r *Runner) setting(w *work) subject.Setting {
	f, _ := forward(r.Forward) // looked at by New
	set := subject.Setting{
		Processors: r.processors.Director, Shunt: r.Shunt, Scheduler: r.Scheduler, Forward: f,
		Protocol: "tcp",
	}
	for _, c := range w.all() {
		set.Bulk = set.Bulk || c.Kind == load.Bulk
		set.Hold += max(c.Connections, c.Flows)
	}
	if w.client.Kind == load.Datagrams {
		set.Protocol = "udp"
	}
	return set
}

// furnish gives a setting its place.
func (r *Runner) furnish(set *subject.Setting, l *lab.Lab) (err error) {
	set.In = l.Director
	set.VIP = netip.AddrPortFrom(l.VIP(), servicePort)
	for i, weight := range r.Weights {
		set.Reals = append(set.Reals, subject.Real{Addr: r.realAddr(l, i), Weight: weight})
	}
	set.Dir, err = os.MkdirTemp(r.dir, "")
	return err
}

// realAddr returns where real server i listens. What is not rewritten comes
// with the port of the service.
func (r *Runner) realAddr(l *lab.Lab, i int) netip.AddrPort {
	if r.Forward != dataplane.Masq.String() {
		return netip.AddrPortFrom(l.RealAddr(i), servicePort)
	}
	return netip.AddrPortFrom(l.RealAddr(i), realPort)
}

// job is the load.
func (r *Runner) job(st *stage) load.Job {
	clients, buffer := st.work.all(), 0
	for i := range clients {
		c := &clients[i]
		c.Targets, c.Namespace = st.subject.Targets(), st.lab.Client.Path()
		c.Warmup, c.Duration = r.Warmup, r.Duration
		buffer = max(buffer, c.Buffer)
	}
	j := load.Job{Client: &clients[0], Processors: r.processors.Others}
	if len(clients) > 1 {
		j.Beside = &clients[1]
	}
	for i, real := range st.subject.Reals {
		j.Serve = append(j.Serve, load.Serve{Address: real.Addr, Number: i, Namespace: st.lab.Real[i].Path(), Buffer: buffer})
	}
	return j
}

// measure waits until the subject answers, warms it up and measures.
func (st *stage) measure(ctx context.Context) (result.Round, error) {
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
	round.Memory = end.Held(before, o.Standing)
	return round, nil
}

// watch looks at the subject when the measured time begins and when it ends.
func (st *stage) watch(ctx context.Context, p *load.Process) (begin, end subject.Usage, err error) {
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

// await waits until the subject answers a client, and returns what it uses
// then.
func (st *stage) await(ctx context.Context) (subject.Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	try := st.job
	c := *try.Client
	c.Kind, c.Rate, c.Connections, c.Flows, c.Request, c.Response = load.Connections, 0, 1, 1, 0, 0
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

// together adds the errors and the connections of what was carried beside.
func together(o load.Outcome) load.Outcome {
	b := o.Beside
	if b == nil {
		return o
	}
	o.Errors += b.Errors
	o.Standing += b.Standing
	failures := map[string]int{}
	for _, f := range []map[string]int{o.Failures, b.Failures} {
		for kind, n := range f {
			failures[kind] += n
		}
	}
	o.Failures = failures
	return o
}

// round converts what a load process says.
func (w *work) round(o load.Outcome) result.Round {
	r := result.Round{
		Seconds: o.Seconds, Operations: w.operations(o), Errors: o.Errors, Failures: o.Failures, Generator: o.CPU, Reals: o.Reals,
	}
	if o.Latency.Count() > 0 {
		r.Latency = o.Latency.Quantiles(shares...)
	}
	return r
}

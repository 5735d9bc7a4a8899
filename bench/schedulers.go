package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/dataplane"
)

// planSchedulers adds the steps for each scheduler on each of shunt's dataplanes,
// and for the packets of each forwarding method.
func (r *Runner) planSchedulers() {
	names := []string{r.Scheduler}
	if r.every {
		names = schedulers
	}
	for _, s := range r.Subjects {
		if !s.Own() {
			continue
		}
		for _, name := range names {
			o := r.Options
			o.Scheduler, o.Topology = name, lab.Routed
			if r.usual {
				o.Weights = []int{3, 2, 1}
			}
			if r.usual && name == "ovf" {
				o.Weights = []int{150, 100, 100} // how many connections each takes
			}
			r.planWatch(s, o, "schedulers: "+s.Name+", "+name, r.scheduler)
		}
		r.planRewrites(s)
	}
}

// planRewrites adds a step for the packets of each method and family. A proxy has
// one method, proxy.
func (r *Runner) planRewrites(s *subject.Subject) {
	methods := []dataplane.Forward{dataplane.Masq, dataplane.Gate, dataplane.IPIP}
	if !s.Kernel {
		methods = methods[:1]
	}
	for _, f := range methods {
		for _, six := range []bool{false, true} {
			o := r.Options
			o.Forward, o.IPv6, o.Scheduler, o.Topology = f.String(), six, "wrr", lab.Bridged
			if f == dataplane.Masq {
				o.Topology = lab.Routed
			}
			r.planWatch(s, o, fmt.Sprintf("packets: %s, %s, %s", s.Name, method(s, o.Forward), family(six)), r.rewrite)
		}
	}
}

// planWatch adds a step with the options o.
func (r *Runner) planWatch(s *subject.Subject, o Options, what string, do func(context.Context, *testbed, *subject.Subject) error) {
	plain := testbed{Options: o, processors: r.processors}
	set := plain.setting(&work{})
	if err := s.Refuses(&set); s.Name == subject.Direct || err != nil {
		return
	}
	r.steps = append(r.steps, step{what, func(ctx context.Context) error {
		t := r.testbed
		t.Options = o
		return do(ctx, &t, s)
	}})
}

func family(six bool) string {
	if six {
		return "IPv6"
	}
	return "IPv4"
}

// method returns the forwarding method of the subject.
func method(s *subject.Subject, forward string) string {
	if s.Kernel {
		return forward
	}
	return wire.Proxy
}

// scheduler observes how connections are distributed, and keeps the result.
func (r *Runner) scheduler(ctx context.Context, t *testbed, s *subject.Subject) error {
	got := result.Scheduler{Subject: s.Name, Name: t.Scheduler, Protocol: "tcp", Weights: t.Weights}
	err := t.distribution(ctx, s, &got)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		got.Verdict = err.Error()
	}
	r.result.Schedulers = append(r.result.Schedulers, got)
	return nil
}

func (t *testbed) distribution(ctx context.Context, s *subject.Subject, got *result.Scheduler) error {
	c, err := t.cluster(ctx, s, 0)
	if err != nil {
		return err
	}
	defer c.close()
	seen, err := t.watch(ctx, c, "")
	if err != nil {
		return err
	}
	*got = seen.Scheduler(s.Name, t.Scheduler)
	if t.Scheduler != "mh" || len(t.Weights) < 3 {
		return nil
	}
	gone := len(t.Weights) - 1
	reals := slices.Clone(c.subject.Reals)
	reals[gone].Weight = 0
	if err := errors.Join(c.subject.Configure(reals), c.await(ctx, t.inService(0)[:gone]...)); err != nil {
		return err
	}
	after, err := t.watch(ctx, c, "-moved")
	if err != nil {
		return err
	}
	moved := wire.Moved(seen, after, gone)
	got.Moved = &moved
	return nil
}

// rewrite observes packets before and after the director, and keeps the result.
func (r *Runner) rewrite(ctx context.Context, t *testbed, s *subject.Subject) error {
	got := result.Rewrite{Subject: s.Name, Method: method(s, t.Forward), Family: family(t.IPv6)}
	c, err := t.cluster(ctx, s, 0)
	if err == nil {
		var seen *wire.Observation
		if seen, err = t.watch(ctx, c, "-"+got.Method+"-"+got.Family); err == nil {
			got = seen.Rewrite(s.Name)
			got.File = t.packets(c, "-"+got.Method+"-"+got.Family)
		}
		c.close()
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		got.Verdict = err.Error()
	}
	r.result.Rewrites = append(r.result.Rewrites, got)
	return nil
}

// holding are the schedulers that go by the number of connections. They are
// judged by connections that stay.
var holding = []string{"lc", "wlc", "sed", "nq", "ovf"}

// watchRate is how many connections a second come while packets are observed: so
// few that they come one after the other.
const watchRate = 300

// watch observes packets while clients connect, one at a time so that their order
// is that of the scheduler.
func (t *testbed) watch(ctx context.Context, c *cluster, suffix string) (*wire.Observation, error) {
	v, points, err := t.watched(c)
	if err != nil {
		return nil, err
	}
	w, err := wire.Watch(wire.Options{Service: v}, points...)
	if err != nil {
		return nil, err
	}
	client := c.client(load.Connections, 1)
	client.Sources, client.Duration = []netip.Prefix{c.clientPrefix()}, t.Duration
	// With a rate, the load waits for all operations that have begun, also for
	// the last.
	client.Rate = watchRate
	if v.Held {
		client.Rate = 0
		client.Kind, client.Connections = load.Idle, 300
	}
	o, err := load.Run(ctx, load.Job{Client: client, Processors: t.processors.Others})
	seen, err2 := w.Stop(ctx)
	switch {
	case err != nil || err2 != nil:
		return nil, errors.Join(err, err2)
	case o.Operations == 0 && o.Established == 0:
		return nil, fmt.Errorf("no client was answered: %v", o.Failures)
	}
	if file := t.packets(c, suffix); file != "" {
		return seen, seen.Save(file)
	}
	return seen, nil
}

// clientPrefix returns the addresses of clients: so few that each of them comes
// more than once.
func (c *cluster) clientPrefix() netip.Prefix {
	p := c.lab.Sources()
	return netip.PrefixFrom(p.Addr(), p.Addr().BitLen()-6)
}

// packets returns the file for the packets, "" if they are not kept.
func (t *testbed) packets(c *cluster, suffix string) string {
	if t.Pcap == "" {
		return ""
	}
	return filepath.Join(t.Pcap, c.subject.Name+"-"+t.Scheduler+suffix+".pcapng")
}

// watched returns the service and the links to observe.
func (t *testbed) watched(c *cluster) (wire.Service, []wire.Point, error) {
	set := c.subject.Setting
	v := wire.Service{
		Protocol: "tcp", Addr: set.VIP, Method: method(c.subject.Subject, t.Forward), Held: slices.Contains(holding, t.Scheduler),
	}
	points := []wire.Point{{In: c.lab.Director, Link: c.lab.Front, Real: wire.Director}}
	if c.lab.Back != c.lab.Front {
		points = append(points, wire.Point{In: c.lab.Director, Link: c.lab.Back, Real: wire.Director})
	}
	for i, real := range set.Reals {
		mac, err := wire.MAC(c.lab.Real[i], lab.RealLink)
		if err != nil {
			return v, nil, err
		}
		v.Reals = append(v.Reals, wire.Real{Addr: real.Addr, Weight: real.Weight, MAC: mac})
		points = append(points, wire.Point{In: c.lab.Real[i], Link: lab.RealLink, Real: i})
	}
	return v, points, t.plain(c, points)
}

// plain turns off the offloads of all links, see wire.Plain.
func (t *testbed) plain(c *cluster, points []wire.Point) error {
	err := wire.Plain(c.lab.Client, lab.ClientLink)
	for _, p := range points {
		err = errors.Join(err, wire.Plain(p.In, p.Link))
	}
	for port := range len(c.reals) + 1 {
		err = errors.Join(err, wire.Plain(c.lab.Switch, fmt.Sprintf("port%d", port)))
	}
	if c.lab.Topology == lab.Bridged {
		err = errors.Join(err, wire.Plain(c.lab.Switch, fmt.Sprintf("port%d", len(c.reals)+1)))
	}
	return err
}

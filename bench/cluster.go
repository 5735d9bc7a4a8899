package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// healthPort is where real servers answer checks.
const healthPort = 9001

// checkInterval is how often each of them is checked.
const checkInterval = time.Second

// A cluster is a subject with real servers that it checks. Each of them is a
// process, so that it can be stopped alone.
type cluster struct {
	lab      *lab.Lab
	subject  *subject.Running
	reals    []*realServer
	patience time.Duration // until clients are answered as expected
}

// A realServer is a real server with the process that answers its checks.
type realServer struct {
	load   *load.Process
	health *netlab.Process
}

// cluster builds a cluster and waits until it answers. Real servers that are
// checked every interval must all be in service then; at 0 they are in service
// from the start.
func (t *testbed) cluster(ctx context.Context, s *subject.Subject, interval time.Duration) (c *cluster, err error) {
	topology := lab.Routed
	if t.Topology != "" && t.Topology != lab.Loopback {
		topology = t.Topology
	}
	c = &cluster{patience: 2 * patience}
	if t.emulated {
		c.patience *= 4
	}
	if c.lab, err = t.lab(topology); err != nil {
		return nil, err
	}
	for i := range t.Weights {
		c.reals = append(c.reals, &realServer{})
		err = errors.Join(err, t.startServer(ctx, c, i))
	}
	if err == nil {
		err = t.startSubject(ctx, c, s, interval)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// startServer starts real server i.
func (t *testbed) startServer(ctx context.Context, c *cluster, i int) (err error) {
	real, at := c.reals[i], c.lab.RealAddr(i)
	real.health, err = health(c.lab.Real[i], netip.AddrPortFrom(at, healthPort), t.processors.Others)
	if err != nil {
		return err
	}
	// Packets by gate or ipip have the VIP as their destination.
	everywhere := netip.AddrPortFrom(netip.IPv4Unspecified(), t.realAddr(c.lab, i).Port())
	if t.IPv6 {
		everywhere = netip.AddrPortFrom(netip.IPv6Unspecified(), everywhere.Port())
	}
	real.load, err = load.Start(ctx, load.Job{
		Serve:      []load.Serve{{Address: everywhere, Number: i, Namespace: c.lab.Real[i].Path()}},
		Processors: t.processors.Others,
	})
	return err
}

// startSubject starts the subject.
func (t *testbed) startSubject(ctx context.Context, c *cluster, s *subject.Subject, interval time.Duration) (err error) {
	set := t.setting(&work{client: load.Client{Kind: load.Connections, Connections: 1000}})
	if interval > 0 {
		set.Interval, set.HealthPort = interval, healthPort
	}
	if err := t.place(&set, c.lab); err != nil {
		return err
	}
	if c.subject, err = s.Start(set); err != nil {
		return err
	}
	if interval == 0 {
		return c.await(ctx)
	}
	return c.await(ctx, t.inService(0)...)
}

// inService returns the numbers of the real servers that have a weight, from
// number first on.
func (t *testbed) inService(first int) []int {
	var all []int
	for i, w := range t.Weights {
		if i >= first && w > 0 {
			all = append(all, i)
		}
	}
	return all
}

// await waits until clients get answers without an error from these real servers,
// all of them and no other, or from any if none are named.
func (c *cluster) await(ctx context.Context, want ...int) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	job := load.Job{Client: c.client(load.Connections, 4)}
	job.Client.Sources = []netip.Prefix{c.clientPrefix()}
	job.Client.Duration, job.Client.Timeout = 100*time.Millisecond, time.Second
	for {
		o, err := load.Run(ctx, job)
		got := slices.Sorted(maps.Keys(o.Reals))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("clients were not answered by real servers %v within %v, but by %v: %v", want, c.patience, got, o.Failures)
		case err != nil:
			return err
		case c.subject.Err() != nil:
			return c.subject.Err()
		case o.Errors == 0 && o.Operations > 0 && (len(want) == 0 || slices.Equal(got, want)):
			return nil
		}
	}
}

func (c *cluster) client(kind load.Kind, connections int) *load.Client {
	return &load.Client{Kind: kind, Connections: connections, Targets: c.subject.Targets(), Namespace: c.lab.Client.Path(), Request: 100, Answer: 128}
}

// signal sends a signal to all processes of real server i.
func (c *cluster) signal(i int, s unix.Signal) error {
	return errors.Join(unix.Kill(c.reals[i].load.Pid(), s), unix.Kill(c.reals[i].health.Pid(), s))
}

// kill ends real server i, and waits for it.
func (c *cluster) kill(i int) {
	real := c.reals[i]
	if real.load != nil {
		_ = unix.Kill(real.load.Pid(), unix.SIGKILL) // it may have ended
		_, _ = real.load.Wait()                      // there is no outcome
	}
	if real.health != nil {
		_ = unix.Kill(real.health.Pid(), unix.SIGKILL)
		<-real.health.Done()
	}
	*real = realServer{}
}

func (c *cluster) close() {
	if c.subject != nil {
		c.subject.Stop()
		_ = os.RemoveAll(c.subject.Dir)
	}
	for i := range c.reals {
		c.kill(i)
	}
	_ = c.lab.Close() // a namespace that stays is harmless
}

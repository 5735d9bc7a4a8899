package prober

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A Probe is one check, repeated. Its prober's lock guards what changes of it.
type Probe struct {
	*spec.Check
	prober   *Prober
	interval time.Duration // the usual one, in which it has its place
	index    int32         // in the wheel
	place    int32         // of those with the same interval
	at       time.Duration
	// connects is how many connect checks are left before the next
	// negotiation, with checktype=N.
	connects int
	last     time.Duration // when it was due, since the prober's base
	due      time.Duration // when it is
	pace     time.Duration
	began    time.Duration // since the prober's base
	running  bool
	aside    bool // in a goroutine
	waits    bool // for others to end
	kicked   bool // to run again at once
	ended    bool
	cancel   context.CancelFunc // of a check in a goroutine, else nil
	// looped are the check to begin with and that between two negotiations, where
	// a loop makes them. asked: the loop has been asked for it.
	looped [2]*checks.Repeated
	asked  [2]bool
}

// next returns when the probe is due next: its pace after it was last, and at its
// place within the interval if that is its pace. What is over at now is left
// out.
func (pr *Probe) next(now time.Duration) time.Duration {
	pace := max(pr.pace, probeTick)
	at := pr.last + pace
	if pace == pr.interval {
		at = pr.last - (pr.last-pr.at)%pace
		for at <= pr.last {
			at += pace
		}
	}
	if late := now - at; late > 0 {
		at += (late + pace - 1) / pace * pace
	}
	return at
}

// start makes a check, in the loop if that can and otherwise in a goroutine.
func (p *Prober) start(pr *Probe) {
	name, timeout := pr.upcoming()
	p.mu.Lock()
	if pr.ended {
		p.mu.Unlock()
		return
	}
	r := p.looped(pr, name)
	pr.aside, pr.began = r == nil, time.Since(p.base)
	var ctx context.Context
	if r == nil {
		ctx, pr.cancel = context.WithTimeout(p.ctx, timeout)
	}
	p.mu.Unlock()
	if r != nil {
		r.Start(timeout)
		return
	}
	p.wg.Go(func() {
		note := pr.Note()
		p.finish(pr, p.check(ctx, name, pr, note), note)
	})
}

// looped returns the upcoming check for the loop, nil if that cannot make it. p is
// locked.
func (p *Prober) looped(pr *Probe, name string) *checks.Repeated {
	i := 0
	if pr.connects > 0 {
		i = 1
	}
	if pr.asked[i] || p.checks == nil {
		return pr.looped[i]
	}
	pr.asked[i] = true
	if pr.Note() == nil && pr.Path().Mark == 0 {
		pr.looped[i], _ = p.checks.Add(name, pr)
	}
	return pr.looped[i]
}

// Target implements checks.Subject.
func (pr *Probe) Target() checks.Target { return pr.Whole(nil) }

// Done implements checks.Subject.
func (pr *Probe) Done(err error) { pr.prober.finish(pr, err, nil) }

// check runs the check of a name. A check that panics has failed.
func (p *Prober) check(ctx context.Context, name string, pr *Probe, note *checks.Note) (err error) {
	f, ok := p.find(name)
	if !ok {
		return fmt.Errorf("no check is called %q", name)
	}
	defer func() {
		if v := recover(); v != nil {
			p.log.panicked(v, debug.Stack())
			err = fmt.Errorf("%s: internal error: %v", name, v)
		}
	}()
	if pr.Path().Mark != 0 && p.paths.Load() {
		f = p.byVIP(f, pr.Path())
	}
	return f(ctx, pr.Whole(note))
}

// byVIP returns a check by the VIP. Silence while this host got its addresses and
// settings says nothing about the real server: without accept_local, say, the VIP
// that has just come has the kernel drop answers.
func (p *Prober) byVIP(f checks.Func, path checks.Path) checks.Func {
	whole := checks.ByVIP(f, path, p.log.blind)
	return func(ctx context.Context, t checks.Target) error {
		before := p.settings.Load()
		err := whole(ctx, t)
		if e, ok := errors.AsType[*checks.Error](err); ok && e.Object == path.VIP.String() && e.Kind == checks.Timeout && (before%2 == 1 || p.settings.Load() != before) {
			return &checks.Error{Check: e.Check, Object: e.Object, Kind: checks.Resource, Err: errMeanwhile}
		}
		return err
	}
}

var errMeanwhile = errors.New("nothing comes back, but this host got its addresses and settings meanwhile")

// upcoming returns the check to run now and how long it may take.
func (pr *Probe) upcoming() (name string, timeout time.Duration) {
	if pr.connects > 0 {
		return pr.Last()
	}
	return pr.First()
}

// account counts down the connect checks between two negotiations: n of them
// follow a successful negotiation, and a negotiation follows any failure.
func (pr *Probe) account(err error) {
	switch {
	case err != nil:
		pr.connects = 0
	case pr.connects > 0:
		pr.connects--
	default:
		pr.connects = pr.Connects()
	}
}

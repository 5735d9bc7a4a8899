package director

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// firstSpread bounds the time over which first checks are spread.
const firstSpread = time.Second

// A prober runs probes: each in a goroutine of its own, at its own offset
// within the interval, never twice at once, and no more than a bounded number
// of all of them at any moment. How long one takes delays no other, as long
// as the bound is not reached.
type prober struct {
	find   func(name string) (checks.Func, bool)
	report func(ctx context.Context, id identity, r checkResult) (pace time.Duration)
	slots  chan struct{}
	log    *slog.Logger
	paths  atomic.Bool  // the dataplane has the paths of probes
	warned atomic.Int64 // when the latest warning was logged, in Unix seconds

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	probes map[identity]*probe // owned by whoever calls set, which is not done after cancel
}

// A probe is one check, repeated.
type probe struct {
	*spec
	// connects is how many connect checks are left before the next
	// negotiation, with checktype=N.
	connects int
	kicked   chan struct{}
	paused   atomic.Bool
	cancel   context.CancelFunc
}

func newProber(limit int, log *slog.Logger) *prober {
	p := &prober{find: checks.For, slots: make(chan struct{}, limit), log: log, probes: map[identity]*probe{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// set starts and ends probes until those of specs run. Probes that stay are not
// disturbed, except those that are awaited, which run at once. It does not wait
// for those that end: they may still report a result.
func (p *prober) set(specs map[identity]*spec, awaited func(identity) bool) {
	for id, pr := range p.probes {
		if specs[id] == nil {
			pr.cancel()
			delete(p.probes, id)
		}
	}
	for id, s := range specs {
		switch pr := p.probes[id]; {
		case pr == nil:
			p.start(s)
		case awaited(id):
			pr.kick()
		}
	}
}

func (p *prober) start(s *spec) {
	pr := &probe{spec: s, kicked: make(chan struct{}, 1)}
	var ctx context.Context
	ctx, pr.cancel = context.WithCancel(p.ctx)
	p.probes[s.identity] = pr
	p.wg.Go(func() { p.loop(ctx, pr) })
}

// pause keeps a probe from running, or lets it run again, at once.
func (p *prober) pause(id identity, paused bool) {
	pr := p.probes[id]
	if pr == nil || pr.paused.Swap(paused) == paused || paused {
		return
	}
	pr.kick()
}

// hasten has a probe run at once.
func (p *prober) hasten(id identity) {
	if pr := p.probes[id]; pr != nil {
		pr.kick()
	}
}

func (pr *probe) kick() {
	select {
	case pr.kicked <- struct{}{}:
	default:
	}
}

// loop runs one probe until ctx is done. The first check comes soon, the
// second at the probe's offset within the interval, the others an interval apart.
// So checks are spread out at the start and later, and no two are further apart
// than the interval.
func (p *prober) loop(ctx context.Context, pr *probe) {
	part := pr.offset()
	timer := time.NewTimer(scale(min(pr.interval/10, firstSpread), part))
	defer timer.Stop()
	for wait(ctx, timer, pr) {
		start := time.Now()
		pace := pr.interval
		if !pr.paused.Load() {
			r, ok := p.once(ctx, pr)
			switch {
			case !ok:
				return
			case checks.Local(r.err):
				p.logLocal(r.err)
			default:
				pace = p.report(ctx, pr.identity, r)
			}
		}
		timer.Reset(max(0, time.Until(start.Add(scale(pace, part)))))
		part = 1
	}
}

func scale(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }

// offset returns the part of the interval after which the probe runs, above 0 and
// at most 1.
func (pr *probe) offset() float64 {
	h := fnv.New32a()
	fmt.Fprint(h, pr.target.Addr, pr.kind, pr.service, pr.target.Request, pr.target.Command)
	return (float64(h.Sum32()) + 1) / (1 << 32)
}

// wait waits for the next run and reports whether there is one.
func wait(ctx context.Context, timer *time.Timer, pr *probe) bool {
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-pr.kicked:
	}
	return ctx.Err() == nil
}

// once makes one check. It returns false if the probe ended meanwhile.
func (p *prober) once(ctx context.Context, pr *probe) (checkResult, bool) {
	if !p.acquire(ctx) {
		return checkResult{}, false
	}
	defer func() { <-p.slots }()
	name, timeout := pr.next()
	start := time.Now()
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r := checkResult{note: pr.note()}
	r.err = p.check(attempt, name, pr, r.note)
	pr.account(r.err)
	r.at = time.Now()
	r.duration = r.at.Sub(start)
	return r, ctx.Err() == nil
}

func (p *prober) acquire(ctx context.Context) bool {
	select {
	case p.slots <- struct{}{}:
		return true
	default:
		p.logWaiting()
	}
	select {
	case p.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// logWaiting logs that checks have to wait.
func (p *prober) logWaiting() {
	if p.mayLog() {
		p.log.Warn("checks wait for one another: too many of them hang at once; raise the limit of open files", "limit", cap(p.slots))
	}
}

// logLocal logs that this host cannot make checks.
func (p *prober) logLocal(err error) {
	if p.mayLog() {
		p.log.Warn("this host cannot make its checks; real servers keep their states until it can", "err", err)
	}
}

// logBlind logs that this host cannot check real servers by their VIP.
func (p *prober) logBlind(err error) {
	if p.mayLog() {
		p.log.Warn("real servers are checked without their VIP, whatever checkpath says", "err", err)
	}
}

// mayLog reports whether the latest warning was at least a minute ago, and notes
// one now.
func (p *prober) mayLog() bool {
	now, last := time.Now().Unix(), p.warned.Load()
	return now-last >= 60 && p.warned.CompareAndSwap(last, now)
}

// check runs the check of a name. A check that panics has failed.
func (p *prober) check(ctx context.Context, name string, pr *probe, note *checks.Note) (err error) {
	f, ok := p.find(name)
	if !ok {
		return fmt.Errorf("no check is called %q", name)
	}
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("check panicked", "check", name, "err", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: internal error: %v", name, v)
		}
	}()
	if pr.path.Mark != 0 && p.paths.Load() {
		f = checks.ByVIP(f, pr.path, p.logBlind)
	}
	return f(ctx, pr.whole(note))
}

// next returns the check to run now and how long it may take.
func (pr *probe) next() (name string, timeout time.Duration) {
	name = pr.first()
	if pr.connects > 0 {
		names := pr.names()
		name = names[len(names)-1]
	}
	return name, pr.limit(name)
}

// account counts down the connect checks between two negotiations: n of them
// follow a successful negotiation, and a negotiation follows any failure.
func (pr *probe) account(err error) {
	switch {
	case err != nil:
		pr.connects = 0
	case pr.connects > 0:
		pr.connects--
	default:
		pr.connects = pr.n
	}
}

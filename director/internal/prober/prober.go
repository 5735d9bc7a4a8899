// Package prober repeats checks.
package prober

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/places"
	"github.com/shunt-lb/shunt/director/internal/spec"
	"github.com/shunt-lb/shunt/internal/wheel"
)

const (
	// FirstSpread is how late a first check may be, beside what BetweenFirsts adds.
	FirstSpread = time.Second
	// BetweenFirsts is the time between two first checks.
	BetweenFirsts = time.Second / 2000
	// probeTick is how coarse the times of checks are.
	probeTick = 10 * time.Millisecond
	// maxKept is for how many results memory is kept. There are more of them at
	// once only when whoever takes them was kept from it.
	maxKept = 1000
)

// A Prober repeats checks: each at its own place within the interval, never
// twice at once, and no more than a bounded number of all of them at any
// moment. How long one takes delays no other, as long as the bound is not
// reached. A check counts from when it was due, not from when it began or
// ended: the pace does not drift, and checks that could not be made in time are
// left out.
//
// Checks that need no more than a connection are made by a checks.Loop, in the
// goroutine that looks after the times of all; others have a goroutine each.
type Prober struct {
	find func(name string) (checks.Func, bool)
	loop bool // that find is checks.For, so that a checks.Loop can make checks
	// limit is how many checks may be under way at once.
	limit int
	log   complaints
	paths atomic.Bool // the dataplane has the paths of probes
	// settings counts the beginnings and the ends of changes of this host, which
	// decide whether answers of checks by the VIP come in.
	settings atomic.Uint64
	ready    chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	probes map[spec.ID]*Probe // owned by whoever calls Set, which is not done after Cancel

	// driver calls look; checks is where it can make checks, nil if it cannot.
	driver interface {
		Run(look func() (time.Duration, bool))
		Wake()
	}
	checks *checks.Loop

	mu      sync.Mutex // of what follows
	base    time.Time
	byIndex []*Probe
	free    []int32
	wheel   *wheel.Wheel // of probes by when they are due
	due     []*Probe     // to be started
	waiting []*Probe     // because of limit
	running int
	removed []*checks.Repeated
	places  map[time.Duration]*places.Places // by interval
	results []Outcome
	wheelAt uint32 // the tick to which wheel has come
	told    uint32 // the tick of the latest tell
	asleep  uint32 // the tick until which driver sleeps, if there is one
	sleeps  bool
}

// An Outcome is a result, and whose it is.
type Outcome struct {
	Probe *Probe
	Result
}

// A Result is one finished check.
type Result struct {
	At       time.Time
	Duration time.Duration
	Err      error
	Note     *checks.Note // nil for nothing
}

// New returns a prober without checks. find finds a check by name, nil for
// checks.For; limit is how many may be under way at once.
func New(find func(name string) (checks.Func, bool), limit int, log *slog.Logger) *Prober {
	p := &Prober{
		find: find, loop: find == nil, limit: limit, log: complaints{Logger: log}, ready: make(chan struct{}, 1), probes: map[spec.ID]*Probe{},
		base: time.Now(), wheel: wheel.New(0), places: map[time.Duration]*places.Places{},
	}
	if p.loop {
		p.find = checks.For
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Cancel ends all checks. There are no results after it, and Set must not be
// called any more.
func (p *Prober) Cancel() { p.cancel() }

// Wait waits, after Cancel, until no check runs any more.
func (p *Prober) Wait() { p.wg.Wait() }

// Ready receives when there are results to take.
func (p *Prober) Ready() <-chan struct{} { return p.ready }

// UsePaths says whether the dataplane has the paths of checks by the VIP, which
// go without them while it has not.
func (p *Prober) UsePaths(there bool) { p.paths.Store(there) }

// WhileHostChanges calls f, which changes addresses and settings of this host.
func (p *Prober) WhileHostChanges(f func()) {
	p.settings.Add(1)
	f()
	p.settings.Add(1)
}

// SetLimit says how many checks may be under way at once.
func (p *Prober) SetLimit(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// begin starts the goroutine that looks after the times of checks.
func (p *Prober) begin() {
	p.base = time.Now()
	p.driver = newTimers()
	if p.loop {
		l, err := checks.NewLoop(p.log.panicked)
		if err != nil {
			p.log.Warn("each check gets a goroutine, which costs more", "err", err)
		} else {
			p.driver, p.checks = l, l
		}
	}
	context.AfterFunc(p.ctx, p.driver.Wake)
	p.wg.Go(func() { p.driver.Run(p.look) })
}

// Set starts and ends probes until those of specs run, which are in the order in
// which they are spread. Probes that stay are not disturbed, except those that
// are awaited, which run at once. It does not wait for those that end: they
// may still have a result.
func (p *Prober) Set(specs []*spec.Check, awaited func(spec.ID) bool) {
	if p.driver == nil {
		p.begin()
	}
	p.mu.Lock()
	wanted := make(map[spec.ID]struct{}, len(specs))
	for _, s := range specs {
		wanted[s.ID] = struct{}{}
	}
	for id, pr := range p.probes {
		if _, ok := wanted[id]; !ok {
			p.remove(pr)
			delete(p.probes, id)
		}
	}
	started := 0
	for _, s := range specs {
		switch pr := p.probes[s.ID]; {
		case pr == nil:
			p.probes[s.ID] = p.add(s, time.Duration(started)*BetweenFirsts)
			started++
		case awaited(s.ID):
			p.kick(pr)
		}
	}
	p.mu.Unlock()
	p.driver.Wake()
}

// add starts a probe after a time. p is locked.
func (p *Prober) add(s *spec.Check, after time.Duration) *Probe {
	interval, _, _ := s.Intervals()
	pr := &Probe{Check: s, prober: p, interval: interval, pace: interval}
	if n := len(p.free); n > 0 {
		pr.index, p.free = p.free[n-1], p.free[:n-1]
		p.byIndex[pr.index] = pr
	} else {
		pr.index = int32(len(p.byIndex))
		p.byIndex = append(p.byIndex, pr)
	}
	of := p.places[interval]
	if of == nil {
		of = &places.Places{}
		p.places[interval] = of
	}
	pr.place = int32(of.Take())
	pr.at = time.Duration(places.Part(int(pr.place)) * float64(interval)).Truncate(probeTick)
	p.schedule(pr, time.Since(p.base)+after)
	return pr
}

// remove ends a probe. p is locked.
func (p *Prober) remove(pr *Probe) {
	if pr.cancel != nil {
		pr.cancel()
	}
	p.wheel.Clear(pr.index)
	p.byIndex[pr.index] = nil
	p.free = append(p.free, pr.index)
	p.places[pr.interval].Leave(int(pr.place))
	pr.ended = true
	for _, r := range pr.looped {
		if r != nil {
			p.removed = append(p.removed, r)
		}
	}
	if pr.running && !pr.aside {
		p.over(pr) // it has no result any more
	}
}

// Hasten has a probe run at once.
func (p *Prober) Hasten(id spec.ID) {
	pr := p.probes[id]
	if pr == nil {
		return
	}
	p.mu.Lock()
	p.kick(pr)
	p.mu.Unlock()
	p.driver.Wake()
}

// Due returns when a probe is due to run next, false if it runs or nothing of that id is
// probed. One that is over waits for others to end.
func (p *Prober) Due(id spec.ID) (time.Time, bool) {
	pr := p.probes[id]
	if pr == nil {
		return time.Time{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base.Add(pr.due), !pr.running
}

// finish takes the result of a check, whose probe may have ended. That of one in
// a goroutine is told at once, those of the loop by look.
func (p *Prober) finish(pr *Probe, err error, note *checks.Note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr.ended && !pr.aside {
		return
	}
	aside := pr.aside
	if pr.aside = false; pr.cancel != nil {
		pr.cancel()
		pr.cancel = nil
	}
	p.over(pr)
	if pr.ended || p.ctx.Err() != nil {
		return
	}
	pr.account(err)
	at := time.Now()
	if checks.Local(err) {
		p.log.local(err)
	} else {
		p.results = append(p.results, Outcome{pr, Result{At: at, Duration: at.Sub(p.base) - pr.began, Err: err, Note: note}})
		if aside {
			p.tell()
		}
	}
	if pr.kicked {
		pr.kicked = false
		p.schedule(pr, at.Sub(p.base))
		return
	}
	p.schedule(pr, pr.next(at.Sub(p.base)))
}

// tell says that there are results. p is locked.
func (p *Prober) tell() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// Take returns the results that have come since, in the memory of those that were
// taken before, which is old.
func (p *Prober) Take(old []Outcome) []Outcome {
	clear(old)
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.results
	if p.results = old[:0]; cap(old) > maxKept {
		p.results = nil
	}
	return taken
}

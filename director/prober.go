package director

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/places"
	"github.com/shunt-lb/shunt/internal/wheel"
)

const (
	// firstSpread is how late a first check may be, beside what betweenFirsts adds.
	firstSpread = time.Second
	// betweenFirsts is the time between two first checks.
	betweenFirsts = time.Second / 2000
	// probeTick is how coarse the times of checks are.
	probeTick = 10 * time.Millisecond
)

// A prober repeats checks: each at its own place within the interval, never
// twice at once, and no more than a bounded number of all of them at any
// moment. How long one takes delays no other, as long as the bound is not
// reached. A check counts from when it was due, not from when it began or
// ended: the pace does not drift, and checks that could not be made in time are
// left out.
//
// Checks that need no more than a connection are made by a checks.Loop, in the
// goroutine that looks after the times of all; others have a goroutine each.
type prober struct {
	find func(name string) (checks.Func, bool)
	loop bool // that find is checks.For, so that a checks.Loop can make checks
	// limit is how many checks may be under way at once.
	limit int
	log   *slog.Logger
	paths atomic.Bool // the dataplane has the paths of probes
	// settings counts the beginnings and the ends of changes of this host, which
	// decide whether answers of checks by the VIP come in.
	settings atomic.Uint64
	warned   atomic.Int64 // when the latest warning was logged, in Unix seconds
	// ready says that there are results to take.
	ready chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	probes map[identity]*probe // owned by whoever calls set, which is not done after cancel

	// driver runs turn; checks is where it can make checks, nil if it cannot.
	driver interface {
		Run(turn func() (time.Duration, bool))
		Wake()
	}
	checks *checks.Loop

	mu      sync.Mutex // of what follows
	base    time.Time
	byIndex []*probe
	free    []int32
	wheel   *wheel.Wheel // of probes by when they are due
	due     []*probe     // to be started
	waiting []*probe     // because of limit
	running int
	removed []*checks.Repeated
	places  map[time.Duration]*places.Places // by interval
	results []outcome
	wheelAt uint32 // the tick to which wheel has come
	told    uint32 // the tick of the latest tell
	asleep  uint32 // the tick until which driver sleeps, if there is one
	sleeps  bool
}

// An outcome is what a check has come to.
type outcome struct {
	probe *probe
	checkResult
}

func newProber(limit int, log *slog.Logger) *prober {
	p := &prober{
		find: checks.For, limit: limit, log: log, ready: make(chan struct{}, 1), probes: map[identity]*probe{},
		base: time.Now(), wheel: wheel.New(0), places: map[time.Duration]*places.Places{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// setLimit says how many checks may be under way at once.
func (p *prober) setLimit(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// begin starts the goroutine that looks after the times of checks.
func (p *prober) begin() {
	p.base = time.Now()
	p.driver = newTimers()
	if p.loop {
		l, err := checks.NewLoop(p.logPanic)
		if err != nil {
			p.log.Warn("each check gets a goroutine, which costs more", "err", err)
		} else {
			p.driver, p.checks = l, l
		}
	}
	context.AfterFunc(p.ctx, p.driver.Wake)
	p.wg.Go(func() { p.driver.Run(p.turn) })
}

// set starts and ends probes until those of specs run, which are in the order in
// which they are spread. Probes that stay are not disturbed, except those that
// are awaited, which run at once. It does not wait for those that end: they
// may still have a result.
func (p *prober) set(specs []*spec, awaited func(identity) bool) {
	if p.driver == nil {
		p.begin()
	}
	p.mu.Lock()
	wanted := make(map[identity]struct{}, len(specs))
	for _, s := range specs {
		wanted[s.identity] = struct{}{}
	}
	for id, pr := range p.probes {
		if _, ok := wanted[id]; !ok {
			p.remove(pr)
			delete(p.probes, id)
		}
	}
	started := 0
	for _, s := range specs {
		switch pr := p.probes[s.identity]; {
		case pr == nil:
			p.probes[s.identity] = p.add(s, time.Duration(started)*betweenFirsts)
			started++
		case awaited(s.identity):
			p.kick(pr)
		}
	}
	p.mu.Unlock()
	p.driver.Wake()
}

// add starts a probe after a time. p is locked.
func (p *prober) add(s *spec, after time.Duration) *probe {
	pr := &probe{spec: s, pace: s.interval}
	pr.ctx, pr.cancel = context.WithCancel(p.ctx)
	if n := len(p.free); n > 0 {
		pr.index, p.free = p.free[n-1], p.free[:n-1]
		p.byIndex[pr.index] = pr
	} else {
		pr.index = int32(len(p.byIndex))
		p.byIndex = append(p.byIndex, pr)
	}
	of := p.places[s.interval]
	if of == nil {
		of = &places.Places{}
		p.places[s.interval] = of
	}
	pr.place = of.Take()
	pr.at = time.Duration(places.Part(pr.place) * float64(s.interval)).Truncate(probeTick)
	p.schedule(pr, time.Since(p.base)+after)
	return pr
}

// remove ends a probe. p is locked.
func (p *prober) remove(pr *probe) {
	pr.cancel()
	pr.members = nil
	p.wheel.Clear(pr.index)
	p.byIndex[pr.index] = nil
	p.free = append(p.free, pr.index)
	p.places[pr.interval].Leave(pr.place)
	pr.ended = true
	for _, r := range pr.repeated {
		if r != nil {
			p.removed = append(p.removed, r)
		}
	}
	if pr.running && !pr.aside {
		p.over(pr) // it has no result any more
	}
}

// pause keeps a probe from running, or lets it run again, at once.
func (p *prober) pause(id identity, paused bool) {
	pr := p.probes[id]
	if pr == nil || pr.paused == paused {
		return
	}
	p.mu.Lock()
	pr.paused = paused
	if !paused {
		p.kick(pr)
	}
	p.mu.Unlock()
	p.driver.Wake()
}

// hasten has a probe run at once.
func (p *prober) hasten(id identity) {
	pr := p.probes[id]
	if pr == nil {
		return
	}
	p.mu.Lock()
	p.kick(pr)
	p.mu.Unlock()
	p.driver.Wake()
}

// kick has a probe run at once, or again if it does. p is locked.
func (p *prober) kick(pr *probe) {
	if pr.running || pr.waits {
		pr.kicked = pr.running
		return
	}
	p.schedule(pr, time.Since(p.base))
}

// setPace tells in which time a probe is to run again, from when it ran last.
func (p *prober) setPace(pr *probe, pace time.Duration) {
	if pr.pace == pace {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.pace = pace
	if !pr.ended && !pr.running && !pr.waits {
		p.schedule(pr, pr.next(time.Since(p.base)))
	}
}

// schedule has a probe run at a time since base. p is locked.
func (p *prober) schedule(pr *probe, at time.Duration) {
	pr.due = at
	tick := uint32((at + probeTick - 1) / probeTick)
	p.wheel.Set(pr.index, tick)
	if p.sleeps && int32(tick-p.asleep) < 0 {
		p.driver.Wake()
	}
}

// turn starts the checks that are due and tells whoever takes results that there
// are some. It returns after which time it has to be called again.
func (p *prober) turn() (time.Duration, bool) {
	p.mu.Lock()
	p.sleeps = false
	due, removed := p.collect()
	p.mu.Unlock()
	for _, r := range removed {
		r.Remove()
	}
	for _, pr := range due {
		p.start(pr)
	}
	if p.ctx.Err() != nil {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.base)
	tick := uint32(now / probeTick)
	if len(p.results) > 0 {
		if p.told != tick {
			p.tell()
			p.told = tick
		} else {
			return p.sleepUntil(now, 1), true // more may come in this tick
		}
	}
	n, ok := p.wheel.Next()
	if !ok {
		p.sleeps, p.asleep = true, tick+1<<30
		return -1, true
	}
	return p.sleepUntil(now, int32(p.wheelAt+uint32(n)-tick)), true
}

// sleepUntil returns the time until so many ticks have begun. p is locked.
func (p *prober) sleepUntil(now time.Duration, ticks int32) time.Duration {
	at := uint32(now/probeTick) + uint32(max(ticks, 0))
	p.sleeps, p.asleep = true, at
	return max(0, time.Duration(at)*probeTick-now)
}

// collect returns the probes that may start now. p is locked.
func (p *prober) collect() (due []*probe, removed []*checks.Repeated) {
	p.due = p.due[:0]
	removed, p.removed = p.removed, nil
	if p.ctx.Err() != nil {
		return nil, removed
	}
	now := time.Since(p.base)
	for p.running < p.limit && len(p.waiting) > 0 {
		pr := p.waiting[0]
		if p.waiting = p.waiting[1:]; !pr.ended {
			pr.waits = false
			p.take(pr)
		}
	}
	p.wheelAt = uint32(now / probeTick)
	p.wheel.Advance(p.wheelAt, func(i int32) {
		switch pr := p.byIndex[i]; {
		case pr.due > now:
			p.schedule(pr, pr.due) // the wheel does not see that far ahead
		case pr.paused:
			pr.last = pr.due
			p.schedule(pr, pr.next(now))
		case p.running >= p.limit:
			pr.waits = true
			p.waiting = append(p.waiting, pr)
			p.logWaiting()
		default:
			p.take(pr)
		}
	})
	return p.due, removed
}

// take counts a probe as running and has it started. p is locked.
func (p *prober) take(pr *probe) {
	pr.running, pr.last = true, pr.due
	p.running++
	p.due = append(p.due, pr)
}

// over counts a probe as running no more. p is locked.
func (p *prober) over(pr *probe) {
	pr.running = false
	p.running--
	if len(p.waiting) > 0 {
		p.driver.Wake()
	}
}

// finish takes the result of a check, whose probe may have ended. That of one in
// a goroutine is told at once, those of the loop by turn.
func (p *prober) finish(pr *probe, err error, note *checks.Note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr.ended && !pr.aside {
		return
	}
	aside := pr.aside
	pr.aside = false
	p.over(pr)
	if pr.ended || p.ctx.Err() != nil {
		return
	}
	pr.account(err)
	at := time.Now()
	if checks.Local(err) {
		p.logLocal(err)
	} else {
		p.results = append(p.results, outcome{pr, checkResult{at: at, duration: at.Sub(pr.began), err: err, note: note}})
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
func (p *prober) tell() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// take returns the results that have come since, in the memory of those that were
// taken before, which is old.
func (p *prober) takeResults(old []outcome) []outcome {
	clear(old)
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.results
	p.results = old[:0]
	return taken
}

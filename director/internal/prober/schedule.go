package prober

import (
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// kick has a probe run at once, or again if it does. p is locked.
func (p *Prober) kick(pr *Probe) {
	if pr.running || pr.waits {
		pr.kicked = pr.running
		return
	}
	p.schedule(pr, time.Since(p.base))
}

// SetPace tells in which time a probe is to run again, from when it ran last.
func (p *Prober) SetPace(pr *Probe, pace time.Duration) {
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
func (p *Prober) schedule(pr *Probe, at time.Duration) {
	pr.due = at
	tick := uint32((at + probeTick - 1) / probeTick)
	p.wheel.Set(pr.index, tick)
	if p.sleeps && int32(tick-p.asleep) < 0 {
		p.driver.Wake()
	}
}

// look starts the checks that are due and tells whoever takes results that there
// are some. It returns after which time it has to be called again.
func (p *Prober) look() (time.Duration, bool) {
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
func (p *Prober) sleepUntil(now time.Duration, ticks int32) time.Duration {
	at := uint32(now/probeTick) + uint32(max(ticks, 0))
	p.sleeps, p.asleep = true, at
	return max(0, time.Duration(at)*probeTick-now)
}

// collect returns the probes that may start now. p is locked.
func (p *Prober) collect() (due []*Probe, removed []*checks.Repeated) {
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
		case p.running >= p.limit:
			pr.waits = true
			p.waiting = append(p.waiting, pr)
			p.log.waiting(p.limit)
		default:
			p.take(pr)
		}
	})
	return p.due, removed
}

// take counts a probe as running and has it started. p is locked.
func (p *Prober) take(pr *Probe) {
	pr.running, pr.last = true, pr.due
	p.running++
	p.due = append(p.due, pr)
}

// over counts a probe as running no more. p is locked.
func (p *Prober) over(pr *Probe) {
	pr.running = false
	p.running--
	if len(p.waiting) > 0 {
		p.driver.Wake()
	}
}

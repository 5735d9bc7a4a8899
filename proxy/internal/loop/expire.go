package loop

import "time"

const (
	// drainIdle is the idle timeout while draining: enough for a request to
	// be answered.
	drainIdle = 10 * time.Second
	// expireShare are ended before it is the turn of the others again.
	expireShare = 256
)

// limit returns how many ticks a flow may be silent for.
func (p *port) limit() uint32 {
	idle := p.service.settings.Load().Idle
	if p.draining {
		idle = min(idle, drainIdle)
	}
	return ticks(idle)
}

// lookBy has the flows looked at in so many ticks at the latest.
func (w *worker) lookBy(n uint32) {
	due := w.tick + min(n, lookEvery)
	if w.flowsDue == 0 || int32(due-w.flowsDue) < 0 {
		w.flowsDue = due
	}
}

// flowsNext returns in how many ticks to look, false if there is no need.
func (w *worker) flowsNext() (int, bool) {
	return max(0, int(int32(w.flowsDue-w.tick))), w.flowsDue != 0
}

// expire ends the flows on which nothing has moved for too long, when it is
// time to.
func (w *worker) expire() {
	if w.flowsDue == 0 || int32(w.tick-w.flowsDue) < 0 {
		return
	}
	w.flowsDue = 0
	left := expireShare
	for _, p := range w.ports {
		if p != nil {
			left = w.expirePort(p, left)
		}
	}
}

// expirePort ends as many flows as are left of the share, and says when to
// look again.
func (w *worker) expirePort(p *port, share int) (left int) {
	limit := p.limit()
	for r := range ranks {
		for f := w.flows.oldest(p, r); f != nil; f = w.flows.oldest(p, r) {
			if quiet := w.tick - f.last; quiet < limit {
				w.lookBy(limit - quiet)
				break
			}
			if share == 0 {
				w.flowsDue = w.tick
				return 0
			}
			share--
			w.drop(f)
		}
	}
	return share
}

// stir notes that something moves on a flow. The first time in a tick it
// becomes the newest, and one of those that are counted when the tick is over.
func (w *worker) stir(p *port, f *flow) {
	if f.last == w.tick {
		return
	}
	f.last = w.tick
	w.flows.quit(p, f)
	w.flows.join(p, f)
	w.stirred = append(w.stirred, f.ref())
}

// bookFlow puts what a flow has moved into the books.
func (w *worker) bookFlow(f *flow) {
	claim := w.flows.patron(f).claim
	if in := f.moved[client]; in.packets > 0 {
		claim.In(in.packets, in.bytes)
	}
	if out := f.moved[server]; out.packets > 0 {
		claim.Out(out.packets, out.bytes)
	}
	f.moved = [2]traffic{}
}

func (w *worker) bookFlows() {
	for _, r := range w.stirred {
		if f := w.flows.find(r); f != nil {
			w.bookFlow(f)
		}
	}
	w.stirred = w.stirred[:0]
}

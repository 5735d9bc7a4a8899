package dgram

import (
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// drainIdle is the idle timeout while draining: enough for a request to
	// be answered.
	drainIdle = 10 * time.Second
	// expireShare is the number of flows ended before events are handled again.
	expireShare = 256
)

// limit returns the number of ticks for which a flow may be silent.
func (p *port) limit() uint32 {
	idle := p.service.Settings().IdleTimeout
	if p.draining {
		idle = min(idle, drainIdle)
	}
	return engine.Ticks(idle)
}

// lookBy schedules the next look at the flows in n ticks at the latest.
func (h *handler) lookBy(n uint32) {
	due := h.worker.Tick + min(n, engine.LookEvery)
	if h.flowsDue == 0 || int32(due-h.flowsDue) < 0 {
		h.flowsDue = due
	}
}

// flowsNext returns the ticks until the next look, false if there is none.
func (h *handler) flowsNext() (int, bool) {
	return max(0, int(int32(h.flowsDue-h.worker.Tick))), h.flowsDue != 0
}

// expire ends idle flows when their time has come.
func (h *handler) expire() {
	if h.flowsDue == 0 || int32(h.worker.Tick-h.flowsDue) < 0 {
		return
	}
	h.flowsDue = 0
	left := expireShare
	for _, p := range h.ports {
		if p != nil {
			left = h.expirePort(p, left)
		}
	}
}

// expirePort ends up to share idle flows of a port and schedules the next look. It
// returns what is left of share.
func (h *handler) expirePort(p *port, share int) (left int) {
	limit := p.limit()
	for r := range classes {
		for f := h.flows.oldest(p, r); f != nil; f = h.flows.oldest(p, r) {
			if quiet := h.worker.Tick - f.last; quiet < limit {
				h.lookBy(limit - quiet)
				break
			}
			if share == 0 {
				h.flowsDue = h.worker.Tick
				return 0
			}
			share--
			h.drop(f)
		}
	}
	return share
}

// touch notes activity of a flow. The first one in a tick makes it the newest, and
// adds it to those that are counted when the tick is over.
func (h *handler) touch(p *port, f *flow) {
	if f.last == h.worker.Tick {
		return
	}
	f.last = h.worker.Tick
	h.flows.unlinkLRU(p, f)
	h.flows.pushNewest(p, f)
	h.touched = append(h.touched, f.ref())
}

// bookFlow adds the datagrams of a flow to the books.
func (h *handler) bookFlow(f *flow) {
	claim := h.flows.refs(f).claim
	if in := f.moved[client]; in.packets > 0 {
		claim.In(in.packets, in.bytes)
	}
	if out := f.moved[server]; out.packets > 0 {
		claim.Out(out.packets, out.bytes)
	}
	f.moved = [2]traffic{}
}

func (h *handler) bookFlows() {
	for _, r := range h.touched {
		if f := h.flows.find(r); f != nil {
			h.bookFlow(f)
		}
	}
	h.touched = h.touched[:0]
}

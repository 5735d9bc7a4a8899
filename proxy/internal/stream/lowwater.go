package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A sender of bulk data that is no faster than the worker wakes it up for each
// segment, which costs both of them most of their time. So a way that has been
// spliced for lowWaterAfter bytes, while no other connection had anything to do,
// waits for lowWaterSize at a time. With several streams as much arrives without
// that. Less than lowWaterSize is relayed when nothing has happened for quietAfter,
// or after lowWaterWithin to twice that if something always happens.
const (
	lowWaterAfter  = 4 << 20
	quietAfter     = 100 * time.Microsecond
	lowWaterWithin = time.Millisecond
)

var lowWaterSize int32 = 128 << 10

// lowWater has the ways that wait for lowWaterSize at a time.
type lowWater struct {
	lowWaterWays []lowWaterWay
	lowered      time.Duration
	busy         int   // connections with events in this iteration
	last         int32 // of them
}

type lowWaterWay struct {
	engine.Ref
	from int
}

// endIteration sets how the worker waits for the next events.
func (rl *relay) endIteration() {
	rl.busy, rl.last = 0, engine.None
	rl.worker.Brief = 0
	if len(rl.lowWaterWays) > 0 || len(rl.arrivals) > 0 {
		rl.worker.Brief = quietAfter
	}
}

// noteEvent notes that a connection has an event.
func (rl *relay) noteEvent(r engine.Ref) {
	if r.Index != rl.last {
		rl.last = r.Index
		rl.busy++
	}
}

// noteSpliced notes that n bytes have been spliced from a side, and lets it wait for
// lowWaterSize if there have been enough.
func (rl *relay) noteSpliced(c *conn, from, n int) {
	y := &c.ways[from]
	y.lowWaterHit = true
	if y.lowWater {
		return
	}
	if y.run += uint32(n); rl.busy > 1 || len(rl.queue) > 1 {
		y.run = 0
	}
	if y.run >= lowWaterAfter {
		y.lowWater = true
		rl.lowWaterWays = append(rl.lowWaterWays, lowWaterWay{c.ref(), from})
		engine.SetOption(c.sides[from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &lowWaterSize)
	}
}

// resetLowWater lets ways that receive less than lowWaterSize wait for any byte
// again. The kernel makes an event of the bytes that are there already.
func (rl *relay) resetLowWater() {
	if len(rl.lowWaterWays) == 0 || !rl.worker.Quiet && rl.worker.Now-rl.lowered < lowWaterWithin {
		return
	}
	rl.lowered = rl.worker.Now
	kept := rl.lowWaterWays[:0]
	for _, l := range rl.lowWaterWays {
		c := rl.h.conns.find(l.Ref)
		if c == nil {
			continue
		}
		y := &c.ways[l.from]
		if y.lowWaterHit && !rl.worker.Quiet {
			y.lowWaterHit = false
			kept = append(kept, l)
			continue
		}
		y.lowWater, y.run = false, 0
		engine.SetOption(c.sides[l.from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &engine.On)
	}
	rl.lowWaterWays = kept
}

package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A sender of bulk that is no faster than the worker wakes it up for each
// segment: that is where both of them spend their time then. A way that has been
// spliced for lotsAfter bytes while no other connection had anything to do waits
// for lotSize at a time instead; several streams make lots by themselves. What is
// less than a lot waits until nothing has happened for quietAfter, or for lotsWithin
// to twice that where there is always something.
const (
	lotsAfter  = 4 << 20
	quietAfter = 100 * time.Microsecond
	lotsWithin = time.Millisecond
)

var lotSize int32 = 128 << 10

// lots are the ways that wait for a lot at a time.
type lots struct {
	lotWays  []lotWay
	relented time.Duration
	met      int   // connections with events in this turn
	last     int32 // of them
}

type lotWay struct {
	engine.Ref
	from int
}

// over is for the end of a turn: it says how to wait for the next one.
func (rl *relay) over() {
	rl.met, rl.last = 0, engine.None
	rl.worker.Glance = 0
	if len(rl.lotWays) > 0 || len(rl.arrivals) > 0 {
		rl.worker.Glance = quietAfter
	}
}

// meet notes that a connection has an event.
func (rl *relay) meet(r engine.Ref) {
	if r.Index != rl.last {
		rl.last = r.Index
		rl.met++
	}
}

// gather notes that n bytes have been spliced from a side, and has it wait for
// lots if there have been enough.
func (rl *relay) gather(c *conn, from, n int) {
	y := &c.ways[from]
	y.lot = true
	if y.lots {
		return
	}
	if y.run += uint32(n); rl.met > 1 || len(rl.queue) > 1 {
		y.run = 0
	}
	if y.run >= lotsAfter {
		y.lots = true
		rl.lotWays = append(rl.lotWays, lotWay{c.ref(), from})
		engine.SetOption(c.sides[from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &lotSize)
	}
}

// relent has ways from which no lot comes any more wait for whatever comes. The
// kernel makes an event of what is there already.
func (rl *relay) relent() {
	if len(rl.lotWays) == 0 || !rl.worker.Quiet && rl.worker.Now-rl.relented < lotsWithin {
		return
	}
	rl.relented = rl.worker.Now
	kept := rl.lotWays[:0]
	for _, l := range rl.lotWays {
		c := rl.h.slab.find(l.Ref)
		if c == nil {
			continue
		}
		y := &c.ways[l.from]
		if y.lot && !rl.worker.Quiet {
			y.lot = false
			kept = append(kept, l)
			continue
		}
		y.lots, y.run = false, 0
		engine.SetOption(c.sides[l.from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &engine.On)
	}
	rl.lotWays = kept
}

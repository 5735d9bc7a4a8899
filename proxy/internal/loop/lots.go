package loop

import (
	"time"

	"golang.org/x/sys/unix"
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
	quiet    bool  // nothing has happened for quietAfter
	met      int   // connections with events in this turn
	last     int32 // of them
}

type lotWay struct {
	ref
	from int
}

// sleep waits for events, for so many milliseconds at most.
func (w *worker) sleep(limit int) []unix.EpollEvent {
	w.met, w.last = 0, none
	if w.quiet = false; limit == 0 || len(w.lotWays) == 0 && len(w.arrivals) == 0 {
		return w.poller.wait(limit, w.lively == livelyAfter)
	}
	events := w.poller.glance(quietAfter)
	w.quiet = len(events) == 0
	return events
}

// meet notes that a connection has an event.
func (w *worker) meet(r ref) {
	if r.index != w.last {
		w.last = r.index
		w.met++
	}
}

// gather notes that n bytes have been spliced from a side, and has it wait for
// lots if there have been enough.
func (w *worker) gather(c *conn, from, n int) {
	y := &c.ways[from]
	y.lot = true
	if y.lots {
		return
	}
	if y.run += uint32(n); w.met > 1 || len(w.queue) > 1 {
		y.run = 0
	}
	if y.run >= lotsAfter {
		y.lots = true
		w.lotWays = append(w.lotWays, lotWay{c.ref(), from})
		setOption(c.sides[from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &lotSize)
	}
}

// relent has ways from which no lot comes any more wait for whatever comes. The
// kernel makes an event of what is there already.
func (w *worker) relent() {
	if len(w.lotWays) == 0 || !w.quiet && w.now-w.relented < lotsWithin {
		return
	}
	w.relented = w.now
	kept := w.lotWays[:0]
	for _, l := range w.lotWays {
		c := w.slab.find(l.ref)
		if c == nil {
			continue
		}
		y := &c.ways[l.from]
		if y.lot && !w.quiet {
			y.lot = false
			kept = append(kept, l)
			continue
		}
		y.lots, y.run = false, 0
		setOption(c.sides[l.from].fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, &on)
	}
	w.lotWays = kept
}

package loop

import "math/bits"

// wheelSlots is the number of ticks that a wheel sees ahead.
const wheelSlots = 512

// A timer is the place of a connection in the wheel.
type timer struct{ next, prev, slot int32 }

// A wheel holds connections by the tick at which they are to be looked at
// again. Nothing is moved when something moves on a connection: when its time
// has come it is found out whether that is so, and if not it is put back.
type wheel struct {
	slab  *conns
	now   uint32
	heads [wheelSlots]int32
	used  [wheelSlots / 64]uint64
}

func newWheel(s *conns) *wheel {
	wh := &wheel{slab: s}
	for i := range wh.heads {
		wh.heads[i] = none
	}
	return wh
}

// set has c come up at a tick: the next one if that has been, the last that
// the wheel sees if it is beyond.
func (wh *wheel) set(c *conn, tick uint32) {
	wh.clear(c)
	ahead := min(max(int32(tick-wh.now), 1), wheelSlots-1)
	slot := int32((wh.now + uint32(ahead)) % wheelSlots)
	head := wh.heads[slot]
	c.timer = timer{next: head, prev: none, slot: slot}
	if head != none {
		wh.slab.at(head).timer.prev = c.index
	}
	wh.heads[slot] = c.index
	wh.used[slot/64] |= 1 << (slot % 64)
}

// clear takes c out.
func (wh *wheel) clear(c *conn) {
	t := c.timer
	if t.slot == none {
		return
	}
	if t.next != none {
		wh.slab.at(t.next).timer.prev = t.prev
	}
	if t.prev != none {
		wh.slab.at(t.prev).timer.next = t.next
	} else if wh.heads[t.slot] = t.next; t.next == none {
		wh.used[t.slot/64] &^= 1 << (t.slot % 64)
	}
	c.timer.slot = none
}

// advance goes to a tick and calls up with every connection that comes up on
// the way. It has been taken out by then.
func (wh *wheel) advance(tick uint32, up func(*conn)) {
	if int32(tick-wh.now) > wheelSlots {
		wh.now = tick - wheelSlots
	}
	for int32(tick-wh.now) > 0 {
		wh.now++
		for slot := wh.now % wheelSlots; wh.heads[slot] != none; {
			c := wh.slab.at(wh.heads[slot])
			wh.clear(c)
			up(c)
		}
	}
}

// next returns in how many ticks something comes up, false if nothing does.
func (wh *wheel) next() (int, bool) {
	start := (wh.now + 1) % wheelSlots
	word, bit := start/64, start%64
	// The first word is looked at twice: its upper part, and in the end the
	// lower one.
	for i := range uint32(len(wh.used) + 1) {
		at := (word + i) % uint32(len(wh.used))
		set := wh.used[at]
		if i == 0 {
			set &= ^uint64(0) << bit
		}
		if set != 0 {
			slot := at*64 + uint32(bits.TrailingZeros64(set))
			return int((slot-start)%wheelSlots) + 1, true
		}
	}
	return 0, false
}

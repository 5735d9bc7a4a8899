package loop

import "math/bits"

// wheelSlots is the number of ticks that a wheel sees ahead.
const wheelSlots = 512

// A timer is the place of a number in the wheel.
type timer struct{ next, prev, slot int32 }

// A wheel holds numbers, such as those of connections, by the tick at which
// they are to be looked at again. Nothing is changed when something moves on a
// connection: when its time has come it is found out whether that is so, and
// if not it is put back.
type wheel struct {
	now    uint32
	timers []*[chunkSize]timer
	heads  [wheelSlots]int32
	used   [wheelSlots / 64]uint64
}

// newWheel returns a wheel that begins at a tick.
func newWheel(tick uint32) *wheel {
	wh := &wheel{now: tick}
	for i := range wh.heads {
		wh.heads[i] = none
	}
	return wh
}

func (wh *wheel) at(i int32) *timer { return &wh.timers[uint32(i)/chunkSize][uint32(i)%chunkSize] }

// set has i come up at a tick: the next one if that has been, the last that
// the wheel sees if it is beyond.
func (wh *wheel) set(i int32, tick uint32) {
	wh.clear(i)
	ahead := min(max(int32(tick-wh.now), 1), wheelSlots-1)
	slot := int32((wh.now + uint32(ahead)) % wheelSlots)
	head := wh.heads[slot]
	*wh.at(i) = timer{next: head, prev: none, slot: slot}
	if head != none {
		wh.at(head).prev = i
	}
	wh.heads[slot] = i
	wh.used[slot/64] |= 1 << (slot % 64)
}

// clear takes i out, if it is in.
func (wh *wheel) clear(i int32) {
	for int(i)/chunkSize >= len(wh.timers) {
		wh.grow()
	}
	t := wh.at(i)
	if t.slot == none {
		return
	}
	if t.next != none {
		wh.at(t.next).prev = t.prev
	}
	if t.prev != none {
		wh.at(t.prev).next = t.next
	} else if wh.heads[t.slot] = t.next; t.next == none {
		wh.used[t.slot/64] &^= 1 << (t.slot % 64)
	}
	t.slot = none
}

func (wh *wheel) grow() {
	chunk := new([chunkSize]timer)
	for i := range chunk {
		chunk[i].slot = none
	}
	wh.timers = append(wh.timers, chunk)
}

// advance goes to a tick and calls up with every number that comes up on the
// way. It has been taken out by then.
func (wh *wheel) advance(tick uint32, up func(int32)) {
	if int32(tick-wh.now) > wheelSlots {
		wh.now = tick - wheelSlots
	}
	for int32(tick-wh.now) > 0 {
		wh.now++
		for slot := wh.now % wheelSlots; wh.heads[slot] != none; {
			i := wh.heads[slot]
			wh.clear(i)
			up(i)
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

// Package wheel holds numbers by the time at which something is due, for event
// loops: to set one, or to take it out, costs some nanoseconds.
package wheel

import "math/bits"

const (
	// Slots is the number of ticks that a Wheel sees ahead.
	Slots = 512
	// chunkSize is by how many numbers a Wheel grows.
	chunkSize = 256
	// none is no number.
	none = -1
)

// A timer is the position of a number in the wheel.
type timer struct{ next, prev, slot int32 }

// A Wheel holds numbers, such as those of connections, by the tick at which
// they are to be looked at again. Nothing is changed when something moves on a
// connection: when its time has come it is found out whether that is so, and
// if not it is put back.
type Wheel struct {
	now    uint32
	timers []*[chunkSize]timer
	heads  [Slots]int32
	used   [Slots / 64]uint64
}

// New returns a wheel that begins at a tick.
func New(tick uint32) *Wheel {
	wh := &Wheel{now: tick}
	for i := range wh.heads {
		wh.heads[i] = none
	}
	return wh
}

func (wh *Wheel) at(i int32) *timer { return &wh.timers[uint32(i)/chunkSize][uint32(i)%chunkSize] }

// Set schedules i for a tick: the next one if that has been, the last that the
// wheel sees if it is beyond.
func (wh *Wheel) Set(i int32, tick uint32) {
	wh.Clear(i)
	ahead := min(max(int32(tick-wh.now), 1), Slots-1)
	slot := int32((wh.now + uint32(ahead)) % Slots)
	head := wh.heads[slot]
	*wh.at(i) = timer{next: head, prev: none, slot: slot}
	if head != none {
		wh.at(head).prev = i
	}
	wh.heads[slot] = i
	wh.used[slot/64] |= 1 << (slot % 64)
}

// Clear takes i out, if it is in.
func (wh *Wheel) Clear(i int32) {
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

func (wh *Wheel) grow() {
	chunk := new([chunkSize]timer)
	for i := range chunk {
		chunk[i].slot = none
	}
	wh.timers = append(wh.timers, chunk)
}

// Advance goes to a tick and calls up with every number that comes up on the
// way. It has been taken out by then.
func (wh *Wheel) Advance(tick uint32, up func(int32)) {
	if int32(tick-wh.now) > Slots {
		wh.now = tick - Slots
	}
	for int32(tick-wh.now) > 0 {
		wh.now++
		for slot := wh.now % Slots; wh.heads[slot] != none; {
			i := wh.heads[slot]
			wh.Clear(i)
			up(i)
		}
	}
}

// Next returns in how many ticks something comes up, false if nothing does.
func (wh *Wheel) Next() (int, bool) {
	start := (wh.now + 1) % Slots
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
			return int((slot-start)%Slots) + 1, true
		}
	}
	return 0, false
}

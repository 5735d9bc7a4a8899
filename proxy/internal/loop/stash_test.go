package loop

import (
	"testing"
	"time"
)

// used returns how many there are in use.
func (s *stashes) used() int { return len(s.buffers) - len(s.spare) - len(s.bare) }

// After many slow readers at once the memory that was kept is used.
func TestStashesUseWhatTheyKeep(t *testing.T) {
	var s stashes
	b := make([]byte, bufferSize)
	var all []int32
	for range 2 * spareStashes {
		all = append(all, s.keep(b))
	}
	for _, at := range all {
		s.put(at)
	}
	kept := 0
	for _, m := range s.buffers {
		if m != nil {
			kept++
		}
	}
	if kept != spareStashes {
		t.Errorf("%d stashes have memory, want %d", kept, spareStashes)
	}
	if n := testing.AllocsPerRun(100, func() { s.put(s.keep(b)) }); n != 0 {
		t.Errorf("one more slow reader: %v allocations", n)
	}
}

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		0:                          1,
		1:                          2,
		tickLength:                 2,
		tickLength + 1:             3,
		365 * 24 * time.Hour:       315_360_000 + 1,
		100 * 365 * 24 * time.Hour: 1<<30 + 1,
		1<<63 - 1:                  1<<30 + 1,
		-1:                         1,
		-365 * 24 * time.Hour:      1,
	} {
		if n := ticks(d); n != want {
			t.Errorf("%v takes %d ticks, want %d", d, n, want)
		}
	}
}

package stream

import (
	"testing"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// used returns how many there are in use.
func (s *stashes) used() int { return len(s.buffers) - len(s.spare) - len(s.bare) }

// After many slow readers at once the memory that was kept is used.
func TestStashesUseWhatTheyKeep(t *testing.T) {
	var s stashes
	b := make([]byte, engine.BufferSize)
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

package prober

import (
	"testing"
)

// A good result costs the prober no memory, from the start of its check until it is
// taken.
func TestProberAllocatesNothing(t *testing.T) {
	p := New(nil, 10, quiet())
	pr := p.add(check("192.168.80.110:80"), 0)
	var taken []Outcome
	n := testing.AllocsPerRun(100, func() {
		p.due = p.due[:0]
		p.take(pr)
		p.finish(pr, nil, nil)
		taken = p.Take(taken)
		if len(taken) != 1 || taken[0].Probe != pr || taken[0].Err != nil {
			t.Fatalf("%+v", taken)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

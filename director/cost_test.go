package director

import "testing"

// A good result costs the prober no memory, from the start of its check until it is
// taken.
func TestProberAllocatesNothing(t *testing.T) {
	v := virtual(vip, rs1)
	p := newProber(10, quiet())
	pr := p.add(newSpec(&v, &v.Reals[0]), 0)
	var taken []outcome
	n := testing.AllocsPerRun(100, func() {
		p.due = p.due[:0]
		p.take(pr)
		p.finish(pr, nil, nil)
		taken = p.takeResults(taken)
		if len(taken) != 1 || taken[0].probe != pr || taken[0].err != nil {
			t.Fatalf("%+v", taken)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A good result of a real server that is up costs the director no memory.
func TestGoodResultAllocatesNothing(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	for id, members := range r.c.checkedBy {
		n := testing.AllocsPerRun(100, func() {
			r.c.observeAll(members, checkResult{at: r.now})
			_ = paceOf(members)
			r.c.catchUp()
		})
		if n != 0 {
			t.Errorf("%v allocations for %v", n, id.target.Addr.String())
		}
	}
}

package director

import (
	"testing"

	"github.com/shunt-lb/shunt/director/internal/prober"
)

// A good result of a real server that is up costs the director no memory.
func TestGoodResultAllocatesNothing(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	for id, members := range r.c.checkedBy {
		n := testing.AllocsPerRun(100, func() {
			r.c.observeAll(members, prober.Result{At: r.now})
			_ = paceOf(members)
			r.c.catchUp()
		})
		if n != 0 {
			t.Errorf("%v allocations for %v", n, id.Addr().String())
		}
	}
}

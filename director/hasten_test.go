package director

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// Failed connections hasten the check of a server, once a second, and take none
// out that its check finds well.
func TestHasten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		v.Observe, v.ErrorLimit = config.ObserveConnect, 10
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(25 * time.Second)
		server := v.Reals[0].Addr
		before := r.farm.count(rs1)
		for range 30 {
			r.plane.observer(v.ID, server)
			time.Sleep(100 * time.Millisecond)
		}
		if n := r.farm.count(rs1) - before; n != 3 {
			t.Errorf("%d checks in three seconds of failed connections, want 3", n)
		}
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
		if st := r.status().Services[0]; st.ErrorLimit != 10 || st.Servers[0].Hastened != 3 || st.Servers[1].Hastened != 0 {
			t.Errorf("status: errorlimit %d, hastened %d and %d", st.ErrorLimit, st.Servers[0].Hastened, st.Servers[1].Hastened)
		}

		time.Sleep(3 * time.Second)
		r.farm.set(rs1, "connect: connection refused")
		r.plane.observer(v.ID, server)
		time.Sleep(100 * time.Millisecond)
		r.want(v, vip+": "+rs2+"=1")
		before = r.farm.count(rs1)
		time.Sleep(time.Second)
		r.plane.observer(v.ID, server) // it is down: its own rhythm is enough
		r.plane.observer(v.ID, v.ID.Addr)
		time.Sleep(100 * time.Millisecond)
		if n := r.farm.count(rs1) - before; n != 0 {
			t.Errorf("%d checks of a server that is down, want none", n)
		}
	})
}

package director

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/applier"
)

// A quiescent real server that somebody has removed by hand is added again with
// readdquiescent alone, at once where it was not so before, and by a start or a
// reload, as by ldirectord. When it is well again it has clients again.
func TestReaddQuiescent(t *testing.T) {
	const rs3 = "192.168.80.130:80"
	synctest.Test(t, func(t *testing.T) {
		c := func(readd bool, scheduler string) *config.Config {
			v := virtual(vip, rs1, rs2, rs3)
			v.Quiescent, v.Scheduler = true, scheduler
			c := conf(v)
			c.Global.ReaddQuiescent = readd
			return c
		}
		first := c(false, "wrr")
		v := first.Virtuals[0]
		r := newFixture(t, first).start()
		defer r.stop()
		time.Sleep(time.Second)
		drift := func(weights map[string]int) {
			t.Helper()
			r.plane.changeElsewhere(v.ID, weights)
			time.Sleep(applier.AuditPeriod + time.Second)
		}
		reload := func(c *config.Config) {
			t.Helper()
			r.edit("next", c, nil)
			if err := r.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		r.farm.set(rs2, "broken")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=0 "+rs3+"=1")

		drift(map[string]int{rs1: 1, rs3: 1})
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		if s := r.status(); s.Dataplane.Repairs != 0 || !s.Ready || len(s.Services[0].Changed) > 0 {
			t.Errorf("%d repairs, ready %v (%s), changed %v: want nothing to be put right", s.Dataplane.Repairs, s.Ready, s.Unready, s.Services[0].Changed)
		}
		drift(map[string]int{rs1: 1, rs3: 5}) // another change is put right alone
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		drift(map[string]int{rs1: 1}) // a server that is to have clients comes back
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		r.farm.set(rs3, "broken") // so does what the director changes itself
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=0")
		r.farm.set(rs2, "")
		r.farm.set(rs3, "")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1")
		r.farm.set(rs2, "broken")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=0 "+rs3+"=1")

		drift(map[string]int{rs1: 1, rs3: 1})
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		drift(nil) // somebody has removed the service itself
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		reload(c(false, "wrr"))
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=0 "+rs3+"=1")
		drift(map[string]int{rs1: 1, rs3: 1})
		r.want(v, vip+": "+rs1+"=1 "+rs3+"=1")
		reload(c(true, "wrr"))
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=0 "+rs3+"=1")
		drift(map[string]int{rs1: 1, rs3: 1})
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=0 "+rs3+"=1")
	})
}

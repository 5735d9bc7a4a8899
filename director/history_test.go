package director

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// The history of a real server outlives a reload, and its service's histogram
// counts every check once.
func TestHistoryOfARunningDirector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(5 * v.CheckInterval)
		r.farm.set(rs2, "no page")
		time.Sleep(3 * v.CheckInterval)
		r.edit("second", conf(v), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all, err := r.History(t.Context(), "", "")
		if err != nil || len(all) != 2 {
			t.Fatalf("%d histories, %v", len(all), err)
		}
		if n := len(all[0].Checks); n < 7 || n > 9 || !all[0].Checks[n-1].OK {
			t.Errorf("of the first: %+v", all[0].Checks)
		}
		one, err := r.History(t.Context(), v.ID.String(), rs2)
		if err != nil || len(one) != 1 || one[0].State != Down {
			t.Fatalf("%+v, %v", one, err)
		}
		latest := one[0].Checks[len(one[0].Checks)-1]
		if first := one[0].Checks[0]; !first.OK || latest.OK || latest.Result != "no page" || latest.Reason != checks.Other {
			t.Errorf("of the second: %+v", one[0].Checks)
		}
		if none, err := r.History(t.Context(), "another", ""); err != nil || len(none) != 0 {
			t.Errorf("of another service: %+v, %v", none, err)
		}
		st := r.status().Services[0]
		total := uint64(0)
		for _, s := range st.Servers {
			total += s.ChecksOK + s.ChecksBad
		}
		if st.CheckDurations.Count != total {
			t.Errorf("the histogram has %d checks, want %d", st.CheckDurations.Count, total)
		}
	})
}

package director

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/checks"
)

func failing(kind checks.Kind, words string) error {
	return &checks.Error{Check: "http", Object: "192.0.2.1:80", Kind: kind, Err: errors.New(words)}
}

// The latest results are kept in order, with duration and kind, whatever was
// before them; the words of the latest one always.
func TestRecentKeepsTheLatest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var r recent
		var all []CheckResult
		start := time.Unix(1_700_000_000, 0)
		for i := range rapid.IntRange(0, 45).Draw(rt, "n") {
			c := checkResult{at: start.Add(time.Duration(i) * time.Second), duration: time.Duration(rapid.IntRange(0, 5_000_000).Draw(rt, "µs")) * time.Microsecond}
			want := CheckResult{Time: c.at, Duration: Seconds(c.duration), OK: true}
			if word := rapid.IntRange(0, 6).Draw(rt, "word"); word > 0 {
				c.err = failing(checks.Refused, fmt.Sprint("reason ", word))
				want.OK, want.Reason, want.Result = false, checks.Refused, c.err.Error()
			}
			r.add(c, 0)
			all = append(all, want)
		}
		all = all[max(0, len(all)-maxRecent):]
		got := r.results(nil)
		if len(got) != len(all) {
			rt.Fatalf("%d results, want %d", len(got), len(all))
		}
		for i := range got {
			if got[i].Result == "" && i < len(got)-1 {
				all[i].Result = "" // forgotten: there were others after it
			}
			if !got[i].Time.Equal(all[i].Time) {
				rt.Fatalf("result %d is of %s, want %s", i, got[i].Time, all[i].Time)
			}
			got[i].Time, all[i].Time = time.Time{}, time.Time{}
			if got[i] != all[i] {
				rt.Fatalf("result %d is %+v, want %+v", i, got[i], all[i])
			}
		}
	})
}

// Up to three reasons in words are kept for as long as a result has them.
func TestRecentKeepsThreeReasons(t *testing.T) {
	var r recent
	for i := range 100 {
		r.add(checkResult{err: failing(checks.Status, fmt.Sprint("status ", i%3))}, 0)
	}
	for _, c := range r.results(nil) {
		if !strings.Contains(c.Result, "status") {
			t.Errorf("a result is without words: %+v", c)
		}
	}
}

func TestRecentCostsNoStringWhileAllIsWell(t *testing.T) {
	var r recent
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { r.add(checkResult{at: now, duration: time.Millisecond}, 0) }); n != 0 {
		t.Errorf("%v allocations for a good result", n)
	}
}

// Five thousand real servers that fail for ever other reasons, in words of any
// length, keep less than 4 MiB.
func TestRecentIsBounded(t *testing.T) {
	const servers = 5000
	before := heap()
	all := make([]recent, servers)
	for i := range all {
		for j := range 25 {
			all[i].add(checkResult{at: time.Now(), err: failing(checks.Mismatch, fmt.Sprint(i, j, strings.Repeat("long", 100)))}, 0)
		}
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d servers keep %d bytes", servers, grown)
	}
	runtime.KeepAlive(all)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestDurations(t *testing.T) {
	var d durations
	for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 30 * time.Second, time.Minute} {
		d.add(took)
	}
	h := d.histogram()
	if h.Count != 5 || h.Buckets[0.001] != 2 || h.Buckets[0.0025] != 3 || h.Buckets[30] != 4 || h.Sum != 90*time.Second+2*time.Millisecond+1 {
		t.Errorf("%+v", h)
	}
}

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

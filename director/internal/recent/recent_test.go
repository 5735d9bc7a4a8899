package recent

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/checks"
)

func failing(kind checks.Kind, words string) error {
	return &checks.Error{Check: "http", Object: "192.0.2.1:80", Kind: kind, Err: errors.New(words)}
}

// The latest results are kept in order, with duration, kind and the check that they
// are of, also where that is another or none after a reload, whatever was before
// them; the words of the latest one always.
func TestRecentKeepsTheLatest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var r Results
		var all []Result
		start := time.Unix(1_700_000_000, 0)
		for i := range rapid.IntRange(0, 45).Draw(rt, "n") {
			want := Result{At: start.Add(time.Duration(i) * time.Second), Took: time.Duration(rapid.IntRange(0, 5_000_000).Draw(rt, "µs")) * time.Microsecond, Of: rapid.IntRange(0, 3).Draw(rt, "check")}
			var err error
			if word := rapid.IntRange(0, 6).Draw(rt, "word"); word > 0 {
				err = failing(checks.Refused, fmt.Sprint("reason ", word))
				want.Kind, want.Words = checks.Refused, err.Error()
			}
			r.Add(want.At, want.Took, err, want.Of)
			all = append(all, want)
			if rapid.IntRange(0, 9).Draw(rt, "reload") == 0 {
				to := rapid.SliceOfN(rapid.IntRange(-1, 3), 4, 4).Draw(rt, "places")
				r.Move(func(of int) int { return to[of] })
				for i := range all {
					if all[i].Of >= 0 {
						all[i].Of = to[all[i].Of]
					}
				}
			}
		}
		all = all[max(0, len(all)-Max):]
		got := r.All()
		if len(got) != len(all) {
			rt.Fatalf("%d results, want %d", len(got), len(all))
		}
		for i := range got {
			if got[i].Words == "" && i < len(got)-1 {
				all[i].Words = "" // forgotten: there were others after it
			}
			if !got[i].At.Equal(all[i].At) {
				rt.Fatalf("result %d is of %s, want %s", i, got[i].At, all[i].At)
			}
			got[i].At, all[i].At = time.Time{}, time.Time{}
			if got[i] != all[i] {
				rt.Fatalf("result %d is %+v, want %+v", i, got[i], all[i])
			}
		}
	})
}

// Up to three reasons in words are kept for as long as a result has them.
func TestRecentKeepsThreeReasons(t *testing.T) {
	var r Results
	for i := range 100 {
		r.Add(time.Time{}, 0, failing(checks.Status, fmt.Sprint("status ", i%3)), 0)
	}
	for _, c := range r.All() {
		if !strings.Contains(c.Words, "status") {
			t.Errorf("a result is without words: %+v", c)
		}
	}
}

func TestRecentCostsNoStringWhileAllIsWell(t *testing.T) {
	var r Results
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { r.Add(now, time.Millisecond, nil, 0) }); n != 0 {
		t.Errorf("%v allocations for a good result", n)
	}
}

// Five thousand real servers that fail for ever other reasons, in words of any
// length, keep less than 4 MiB.
func TestRecentIsBounded(t *testing.T) {
	const servers = 5000
	before := heap()
	all := make([]Results, servers)
	for i := range all {
		for j := range 25 {
			all[i].Add(time.Now(), 0, failing(checks.Mismatch, fmt.Sprint(i, j, strings.Repeat("long", 100))), 0)
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
	var d Durations
	for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 30 * time.Second, time.Minute} {
		d.Add(took)
	}
	upTo := map[time.Duration]uint64{}
	count, sum := d.Each(func(bound time.Duration, n uint64) { upTo[bound] = n })
	if count != 5 || upTo[time.Millisecond] != 2 || upTo[2500*time.Microsecond] != 3 || upTo[30*time.Second] != 4 || sum != 90*time.Second+2*time.Millisecond+1 {
		t.Errorf("%d checks in %s: %v", count, sum, upTo)
	}
}

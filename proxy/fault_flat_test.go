package proxy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// measures are what a proxy must not have more and more of, and how much more
// of each is still the same.
var measures = []struct {
	name  string
	of    func(r *remote, v Vitals) int
	slack int
}{
	{"descriptors", func(r *remote, _ Vitals) int { return r.files() }, 40},
	{"goroutines", func(_ *remote, v Vitals) int { return v.Goroutines }, 4},
	{"bytes of heap", func(_ *remote, v Vitals) int { return int(v.Heap) }, 2 << 20},
	{"bytes resident", func(r *remote, _ Vitals) int { return int(r.resident()) }, 4 << 20},
	{"places", func(_ *remote, v Vitals) int { return int(v.Load.Connections.Used) }, 40},
	{"flows", func(_ *remote, v Vitals) int { return int(v.Load.Flows.Used) }, 40},
	{"bytes stashed", func(_ *remote, v Vitals) int { return int(v.Load.Buffers.Used) }, 2 * 64 << 10},
	{"waiters", func(_ *remote, v Vitals) int { return v.Waiting() }, 8},
	{"sources", func(_ *remote, v Vitals) int { return v.Sources }, 40},
	{"connections of sources", func(_ *remote, v Vitals) int { return v.Having }, 8},
	{"pins", func(_ *remote, v Vitals) int { return v.Pinned() }, 100},
}

// Waiting are the clients that wait for a real server.
func (v Vitals) Waiting() (n int) {
	for _, sv := range v.Services {
		n += sv.Waiting
	}
	return n
}

// Pinned are the clients that persistence knows.
func (v Vitals) Pinned() (n int) {
	for _, sv := range v.Services {
		for _, s := range sv.Servers {
			n += s.Persistent
		}
	}
	return n
}

// Observations are what a proxy had at even intervals, by measure.
type observations map[string][]int

// observe looks at the proxy for as long as d.
func (r *remote) observe(d time.Duration) observations {
	o := observations{}
	for end := time.Now().Add(d); time.Now().Before(end) && !r.t.Failed(); time.Sleep(min(d/20, time.Second)) {
		v := r.vitals(true)
		for _, m := range measures {
			o[m.name] = append(o[m.name], m.of(r, v))
		}
		wantRoom(r.t, v)
	}
	return o
}

// wantRoom sees that nobody has more than it may.
func wantRoom(t testing.TB, v Vitals) {
	for _, sv := range v.Services {
		for _, s := range sv.Servers {
			if s.MaxConn > 0 && s.Active > int(s.MaxConn) {
				t.Errorf("%v has %d connections, and may have %d", s.Addr, s.Active, s.MaxConn)
			}
		}
	}
}

func (o observations) first(name string) int { return o[name][0] }

// wantFlat compares the medians of the first and the last quarter. What is too
// short for a trend is only told.
func (o observations) wantFlat(t *testing.T) {
	t.Helper()
	for _, m := range measures {
		all := o[m.name]
		first, last := median(all[:(len(all)+3)/4]), median(all[len(all)*3/4:])
		line := fmt.Sprintf("%s: %d in the first quarter, %d in the last, at most %d", m.name, first, last, slices.Max(all))
		if *soak >= 30*time.Second && last > first+first/10+m.slack {
			t.Error(line)
		} else {
			t.Log(line)
		}
	}
}

func median(all []int) int {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

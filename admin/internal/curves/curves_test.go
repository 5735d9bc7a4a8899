package curves_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

func at(connections, failures, refused uint64, checks ...uint64) director.Status {
	h := director.Histogram{Buckets: map[float64]uint64{}}
	for i, bound := range []float64{0.001, 0.01, 0.1} {
		if i < len(checks) {
			h.Count += checks[i]
			h.Buckets[bound] = h.Count
		}
	}
	if len(checks) == 4 {
		h.Count += checks[3]
	}
	return director.Status{Services: []director.ServiceStatus{{
		Service: "a", Counters: dataplane.Counters{Connections: connections, Failures: failures, Refused: refused}, CheckDurations: h,
	}}}
}

func TestPoints(t *testing.T) {
	c, now := curves.New(), time.Unix(1e9, 0)
	if got := c.Of("a"); got != nil {
		t.Errorf("before the first look %v", got)
	}
	for i, step := range []struct {
		st   director.Status
		want curves.Point
	}{
		{at(1000, 5, 5, 9, 0, 0), curves.Point{}},
		{at(1300, 8, 8, 9, 0, 0), curves.Point{Connections: 10, Errors: 0.2}},
		{at(1300, 8, 8, 10, 1, 0), curves.Point{Check: 0.001}},
		{at(1300, 8, 8, 10, 4, 0), curves.Point{Check: 0.01}},
		{at(1300, 8, 8, 10, 4, 0, 7), curves.Point{Check: 0.1}},
		{at(60, 0, 0, 0, 0, 3), curves.Point{Connections: 2, Check: 0.1}}, // begun anew
	} {
		c.Add(now.Add(time.Duration(i)*curves.Every), step.st)
		got := c.Of("a")
		if len(got) != i || i > 0 && got[i-1] != step.want {
			t.Errorf("after look %d: %v, want %v at the end", i, got, step.want)
		}
	}
	c.Add(now.Add(time.Hour), director.Status{})
	if got := c.Of("a"); got != nil {
		t.Errorf("of a service that is gone %v", got)
	}
}

// TestRing: an hour is kept, the latest point last.
func TestRing(t *testing.T) {
	c, total := curves.New(), uint64(0)
	for i := range uint64(1000) {
		total += 30 * i
		c.Add(time.Unix(int64(30*i), 0), at(total, 0, 0))
	}
	got := c.Of("a")
	if len(got) != curves.Points {
		t.Fatalf("%d points", len(got))
	}
	for i, p := range got {
		if want := float32(1000 - curves.Points + i); p.Connections != want {
			t.Fatalf("point %d is %v, want %v", i, p.Connections, want)
		}
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, looks := curves.New(), uint64(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, func(context.Context) (director.Status, error) {
				if looks++; looks == 2 {
					return director.Status{}, errors.New("stuck")
				}
				return at(looks*60, 0, 0), nil
			})
		}()
		time.Sleep(3*curves.Every + time.Second)
		if got := c.Of("a"); len(got) != 2 || got[0].Connections != 2 || got[1].Connections != 2 {
			t.Errorf("after four looks, of which one fails: %v", got)
		}
		cancel()
		<-done
	})
}

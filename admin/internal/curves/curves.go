// Package curves keeps how much the virtual services of a director had to do in the
// last hour, for small drawings.
package curves

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/director"
)

const (
	// Every is how often a status is looked at.
	Every = 30 * time.Second
	// Points is how many values a curve has: those of an hour.
	Points = 120
)

// A Point is what happened in the time between two looks.
type Point struct {
	// Connections and Errors are numbers a second. Errors are connections that failed
	// on the way to a real server, and clients refused.
	Connections, Errors float32
	// Check is the median of how long checks took, in seconds: the upper bound of its
	// bucket. It is 0 where no check ended.
	Check float32
}

// Curves keep the points of each service. They may be used from many goroutines.
type Curves struct {
	mu       sync.Mutex
	services map[string]*series
}

// A series is a ring of points of a service.
type series struct {
	at     time.Time
	last   totals
	points [Points]Point
	n      int // points ever written
}

// totals are the counters at a look.
type totals struct {
	connections, errors uint64
	checks              director.Histogram
}

// New returns curves without points.
func New() *Curves { return &Curves{services: map[string]*series{}} }

// Run looks at the status now and every thirty seconds until ctx is done. A look that
// fails leaves a gap: the next point is the mean of a longer time.
func (c *Curves) Run(ctx context.Context, status func(context.Context) (director.Status, error)) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		if st, err := status(ctx); err == nil {
			c.Add(time.Now(), st)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Add adds a point to each service of st, as it was at now, and forgets others.
func (c *Curves) Add(now time.Time, st director.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make(map[string]*series, len(st.Services))
	for i := range st.Services {
		sv := &st.Services[i]
		s := c.services[sv.Service]
		if s == nil {
			s = &series{}
		}
		s.add(now, totals{
			connections: sv.Counters.Connections, errors: sv.Counters.Failures + sv.Counters.Refused, checks: sv.CheckDurations,
		})
		kept[sv.Service] = s
	}
	c.services = kept
}

// Of returns the points of a service, the oldest first: none before the second look.
func (c *Curves) Of(service string) []Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[service]
	if s == nil {
		return nil
	}
	if s.n <= Points {
		return slices.Clone(s.points[:s.n])
	}
	at := s.n % Points
	return slices.Concat(s.points[at:], s.points[:at])
}

func (s *series) add(now time.Time, t totals) {
	before, since := s.last, now.Sub(s.at).Seconds()
	first := s.at.IsZero()
	s.last, s.at = t, now
	if first || since <= 0 {
		return
	}
	s.points[s.n%Points] = Point{
		Connections: rate(before.connections, t.connections, since),
		Errors:      rate(before.errors, t.errors, since),
		Check:       median(before.checks, t.checks),
	}
	s.n++
}

// rate is by how much a counter grows in a second. One that has begun anew has grown by
// all of it.
func rate(before, now uint64, seconds float64) float32 {
	if now < before {
		before = 0
	}
	return float32(float64(now-before) / seconds)
}

// median is the smallest bound below which half of the checks between two looks are;
// of those beyond all bounds the greatest.
func median(before, now director.Histogram) float32 {
	n := now.Count - before.Count
	if now.Count < before.Count { // begun anew
		before, n = director.Histogram{}, now.Count
	}
	if n == 0 {
		return 0
	}
	var bounds []float64
	for b := range now.Buckets {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	for _, b := range bounds {
		if 2*(now.Buckets[b]-before.Buckets[b]) >= n {
			return float32(b)
		}
	}
	if len(bounds) == 0 {
		return 0
	}
	return float32(bounds[len(bounds)-1])
}

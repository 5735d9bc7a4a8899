package prober

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A record is when checks were made, by address.
type record struct {
	mu   sync.Mutex
	made map[string][]time.Time
	most int // at once
	now  int
	took time.Duration
}

func (r *record) find(string) (checks.Func, bool) {
	return func(ctx context.Context, t checks.Target) error {
		r.mu.Lock()
		r.made[t.Addr.String()] = append(r.made[t.Addr.String()], time.Now())
		r.now++
		r.most = max(r.most, r.now)
		took := r.took
		r.mu.Unlock()
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
		return ctx.Err()
	}, true
}

func (r *record) times(addr string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.made[addr]...)
}

func addrs(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("192.0.2.%d:80", i+1))
	}
	return all
}

func specs(addrs []string) (all []*spec.Check) {
	for _, a := range addrs {
		all = append(all, check(a))
	}
	return all
}

func nobody(spec.ID) bool { return false }

// prober is one that has checks to make, and is over at the end of the test.
func prober(r *record, limit int, of []string) (*Prober, func()) {
	p := New(r.find, limit, quiet())
	p.Set(specs(of), nobody)
	return p, func() { p.Cancel(); p.Wait() }
}

// A reload keeps the places of the probes that stay, whatever comes and goes: their
// checks go on as if there had been none.
func TestReloadKeepsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{made: map[string][]time.Time{}}
		all := addrs(30)
		p, stop := prober(r, 100, all[:20])
		defer stop()
		time.Sleep(35 * time.Second)
		p.Set(specs(append(all[10:20:20], all[20:]...)), nobody)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		for _, a := range all[10:20] {
			times := r.times(a)
			for i := 2; i < len(times); i++ { // the first check has no place yet
				if got := times[i].Sub(times[i-1]); got != 10*time.Second {
					t.Errorf("%s is checked %v after the check before", a, got)
				}
			}
			if len(times) < 8 {
				t.Errorf("%s is checked %d times", a, len(times))
			}
		}
		if n := len(r.times(all[0])); n > 5 {
			t.Errorf("a probe that is gone has made %d checks", n)
		}
	})
}

// A check that takes longer than its interval leaves out those that are over, and the
// others keep to the place.
func TestLateChecksAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{made: map[string][]time.Time{}}
		a := addrs(1)
		_, stop := prober(r, 100, a)
		defer stop()
		time.Sleep(25 * time.Second)
		before := r.times(a[0])
		last := before[len(before)-1]
		r.mu.Lock()
		r.took = 12 * time.Second
		r.mu.Unlock()
		time.Sleep(2 * time.Minute)
		for i, at := range r.times(a[0])[len(before):] {
			if got, want := at.Sub(last), 10*time.Second+time.Duration(i)*20*time.Second; got != want {
				t.Errorf("check %d begins %v after that before all, want %v", i, got, want)
			}
		}
	})
}

// No more checks than the limit run at once, and those that wait are all made.
func TestLimitOfChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{made: map[string][]time.Time{}, took: time.Second}
		all := addrs(30)
		_, stop := prober(r, 7, all)
		defer stop()
		time.Sleep(9 * time.Second)
		r.mu.Lock()
		most := r.most
		r.mu.Unlock()
		if most != 7 {
			t.Errorf("%d checks at once, want 7", most)
		}
		for _, a := range all {
			if len(r.times(a)) == 0 {
				t.Errorf("%s is not checked", a)
			}
		}
	})
}

// After Cancel nothing is checked and no result comes, also of checks under way.
func TestCancelEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{made: map[string][]time.Time{}, took: 2 * time.Second}
		all := addrs(10)
		p, stop := prober(r, 3, all)
		time.Sleep(time.Second)
		p.Take(nil)
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > 0 {
			t.Errorf("checks under way go on for %v", took)
		}
		if left := p.Take(nil); len(left) > 0 {
			t.Errorf("%d results after the end", len(left))
		}
		r.mu.Lock()
		if r.now != 0 {
			t.Errorf("%d checks go on", r.now)
		}
		r.mu.Unlock()
		before := len(r.times(all[0]))
		time.Sleep(time.Minute)
		if n := len(r.times(all[0])); n != before {
			t.Errorf("%d checks after the end", n-before)
		}
	})
}

package events_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/director/internal/events"
)

type event struct{ seq, n uint64 }

func ring(size int, first uint64) *events.Ring[event] {
	return events.New(size, first, func(e *event, seq uint64) { e.seq = seq })
}

// Whatever is added and asked for: the events after a number are the latest ones, in
// order, and those that are missing are counted.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, first := rapid.IntRange(1, 5).Draw(t, "size"), rapid.Uint64Range(1, 100).Draw(t, "first")
		r, added := ring(size, first), uint64(0)
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "added") {
				if got := r.Add(event{n: added}); got != first+added {
					t.Fatalf("event %d has number %d", added, got)
				}
				added++
			}
			seq := rapid.Uint64Range(0, first+added+3).Draw(t, "seq")
			found, lost, last := r.After(seq)
			known := seq >= first && seq < first+added
			want := min(added, uint64(size))
			if known {
				want = min(want, first+added-1-seq)
			}
			if last != first+added-1 || uint64(len(found)) != want {
				t.Fatalf("after %d: %v to %d, want %d events", seq, found, last, want)
			}
			if missing := first + added - 1 - seq - want; known && lost != missing || !known && lost != 0 {
				t.Fatalf("after %d: %d lost, of %d added", seq, lost, added)
			}
			for i, e := range found {
				if n := added - want + uint64(i); e.n != n || e.seq != first+n {
					t.Fatalf("after %d: %v, want event %d", seq, found, n)
				}
			}
		}
	})
}

// A reader that waits is woken by the next event, gets each of them once, and may give up.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ring(8, 1)
		var mu sync.Mutex
		got := make([][]uint64, 20)
		ctx, cancel := context.WithCancel(t.Context())
		var followers sync.WaitGroup
		for i := range got {
			followers.Go(func() {
				for seq := uint64(0); r.Wait(ctx, seq) == nil; {
					found, _, last := r.After(seq)
					seq = last
					mu.Lock()
					for _, e := range found {
						got[i] = append(got[i], e.n)
					}
					mu.Unlock()
				}
			})
		}
		for n := range uint64(50) {
			r.Add(event{n: n})
			if n%7 == 0 {
				time.Sleep(time.Second) // all of them have read it
				synctest.Wait()
			}
		}
		synctest.Wait()
		cancel()
		followers.Wait()
		for i := range got {
			if !slices.IsSorted(got[i]) || len(got[i]) != 50 {
				t.Errorf("follower %d got %v", i, got[i])
			}
		}
		late, giveUp := context.WithTimeout(t.Context(), time.Minute)
		defer giveUp()
		if err := r.Wait(late, 50); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what does not come: %v", err)
		}
	})
}

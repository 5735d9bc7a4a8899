package places

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSpread: however many places are taken, every part of the interval has its
// share of them, give or take a few.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10000).Draw(t, "n")
		from, width := rapid.Float64Range(0, 1).Draw(t, "from"), rapid.Float64Range(0, 1).Draw(t, "width")
		got := 0
		for i := range n {
			if part := Part(i); part < 0 || part >= 1 {
				t.Fatalf("place %d is at %v", i, part)
			} else if from <= part && part < from+width {
				got++
			}
		}
		want := float64(n) * (min(1, from+width) - from)
		if most := 3 + math.Log2(float64(n)); math.Abs(float64(got)-want) > most {
			t.Errorf("%d of %d places are within [%v, %v), want %v give or take %v", got, n, from, from+width, want, most)
		}
	})
}

// TestGaps: two places next to each other are never far apart, nor the same.
func TestGaps(t *testing.T) {
	for n := 2; n < 3000; n += 7 {
		var parts []float64
		for i := range n {
			parts = append(parts, Part(i))
		}
		slices.Sort(parts)
		widest, least := parts[0]+1-parts[n-1], 1.0
		for i := 1; i < n; i++ {
			widest, least = max(widest, parts[i]-parts[i-1]), min(least, parts[i]-parts[i-1])
		}
		if widest*float64(n) > 2.7 || least*float64(n) < 0.3 {
			t.Fatalf("of %d places two are %v intervals apart and two %v", n, widest, least)
		}
	}
}

// TestTake: nobody shares a place, and those who come fill the gaps.
func TestTake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Places
		taken := map[int]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				lowest := 0
				for taken[lowest] {
					lowest++
				}
				if got := p.Take(); got != lowest {
					t.Fatalf("place %d is given, want %d", got, lowest)
				}
				taken[lowest] = true
			},
			"leave": func(t *rapid.T) {
				for place := range taken {
					p.Leave(place)
					delete(taken, place)
					return
				}
			},
		})
	})
}

package result_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/bench/result"
)

func TestSpreadOf(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name string
		xs   []float64
		want result.Spread
	}{
		{"nothing", nil, result.Spread{}},
		{"one", []float64{7}, result.Spread{Min: 7, Low: 7, Median: 7, High: 7, Max: 7}},
		{"two", []float64{3, 1}, result.Spread{Min: 1, Low: 1.5, Median: 2, High: 2.5, Max: 3}},
		{"five", []float64{5, 1, 4, 2, 3}, result.Spread{Min: 1, Low: 2, Median: 3, High: 4, Max: 5}},
		{"no numbers", []float64{nan, inf, -inf}, result.Spread{}},
		{"some numbers", []float64{nan, 2, inf}, result.Spread{Min: 2, Low: 2, Median: 2, High: 2, Max: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := result.SpreadOf(c.xs); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSpreadIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-1e300, 1e300), 1, 20).Draw(t, "xs")
		before := slices.Clone(xs)
		s := result.SpreadOf(xs)
		if !slices.Equal(before, xs) {
			t.Fatal("the values were changed")
		}
		if s.Min != slices.Min(xs) || s.Max != slices.Max(xs) || s.Median != result.Median(xs) {
			t.Fatalf("%+v of %v", s, xs)
		}
		// Interpolation may be off by the last digit.
		order := []float64{s.Min, s.Low, s.Median, s.High, s.Max}
		for i := 1; i < len(order); i++ {
			if order[i] < order[i-1] && math.Abs(order[i]-order[i-1]) > 1e-12*math.Abs(order[i]) {
				t.Fatalf("out of order: %+v", s)
			}
		}
	})
}

func TestRelative(t *testing.T) {
	if got := (result.Spread{Low: 95, Median: 100, High: 105}).Relative(); got != 0.05 {
		t.Errorf("got %v", got)
	}
	if got := (result.Spread{Low: -1, High: 1}).Relative(); got != 0 {
		t.Errorf("around nothing: %v", got)
	}
}

func TestRatio(t *testing.T) {
	for _, c := range []struct{ a, b, want float64 }{
		{3, 2, 1.5}, {0, 2, 0}, {2, 0, 0}, {0, 0, 0}, {math.Inf(1), 1, 0}, {math.NaN(), 1, 0}, {math.MaxFloat64, 0.1, 0},
	} {
		if got := result.Ratio(c.a, c.b); got != c.want {
			t.Errorf("Ratio(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

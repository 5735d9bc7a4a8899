package result

import (
	"math"
	"slices"
)

// Median returns the middle of xs, between the two in the middle where their
// number is even. Values that are no finite numbers do not count; of none it is 0.
func Median(xs []float64) float64 {
	return at(finite(xs), 0.5)
}

// A Spread has the quartiles and extremes of several measurements of one thing.
type Spread struct {
	Min, Low, Median, High, Max float64 // Low and High are the quartiles
}

// SpreadOf returns the spread of xs, with quartiles interpolated between
// neighbours. Values that are no finite numbers do not count; of none every field is 0.
func SpreadOf(xs []float64) Spread {
	s := finite(xs)
	return Spread{Min: at(s, 0), Low: at(s, 0.25), Median: at(s, 0.5), High: at(s, 0.75), Max: at(s, 1)}
}

// Relative returns half the distance between the quartiles as a share of the
// median: "100 ± 3 %" is 0.03. It is 0 where the median is.
func (s Spread) Relative() float64 {
	return Ratio((s.High-s.Low)/2, math.Abs(s.Median))
}

// Ratio returns a/b, and 0 where that is no finite number: 0 means that there is
// no ratio, or that a is 0.
func Ratio(a, b float64) float64 {
	r := a / b
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return 0
	}
	return r
}

// finite returns the finite numbers of xs in ascending order; xs stays as it is.
func finite(xs []float64) []float64 {
	s := slices.DeleteFunc(slices.Clone(xs), func(x float64) bool {
		return math.IsNaN(x) || math.IsInf(x, 0)
	})
	slices.Sort(s)
	return s
}

// at returns the value at share q of sorted, interpolated between neighbours.
func at(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	whole, part := math.Modf(q * float64(len(sorted)-1))
	i := int(whole)
	if part == 0 {
		return sorted[i]
	}
	// Weights instead of a difference, which may overflow.
	return sorted[i]*(1-part) + sorted[i+1]*part
}

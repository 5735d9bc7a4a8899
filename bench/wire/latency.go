package wire

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shunt-lb/shunt/bench/result"
)

// longest is the longest delay that is measured.
const longest = 10 * time.Minute

func quantiles(moves []pair) []result.Quantile {
	if len(moves) == 0 {
		return nil
	}
	h := hdrhistogram.New(1, int64(longest), 3)
	for _, m := range moves {
		_ = h.RecordValue(min(max(m.after.at-m.before.at, 1), int64(longest)))
	}
	var out []result.Quantile
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		out = append(out, result.Quantile{Share: share, Seconds: float64(h.ValueAtQuantile(100*share)) / 1e9})
	}
	return out
}

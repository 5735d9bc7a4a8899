package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shunt-lb/shunt/bench/result"
)

// The range of a Latency; longer durations count as slowest.
const (
	slowest = time.Minute
	digits  = 3
)

// Latency is a distribution of durations from a nanosecond to a minute, exact
// to a thousandth. The zero value is empty and ready for use. In JSON it is a
// compressed HdrHistogram.
type Latency struct{ h *hdrhistogram.Histogram }

// Record adds a duration.
func (l *Latency) Record(d time.Duration) {
	l.histogram()
	_ = l.h.RecordValue(int64(min(max(d, 1), slowest))) // within the range, always
}

// Merge adds what another one recorded.
func (l *Latency) Merge(o Latency) {
	if o.h != nil {
		l.histogram()
		l.h.Merge(o.h)
	}
}

// Count returns how many durations were recorded.
func (l Latency) Count() int64 {
	if l.h == nil {
		return 0
	}
	return l.h.TotalCount()
}

// Quantile returns the duration that share (0 to 1) of all did not exceed, and
// 0 where nothing was recorded.
func (l Latency) Quantile(share float64) time.Duration {
	if l.h == nil {
		return 0
	}
	return time.Duration(l.h.ValueAtQuantile(share * 100))
}

// Quantiles returns one quantile for each share, in the order given.
func (l Latency) Quantiles(shares ...float64) []result.Quantile {
	var qs []result.Quantile
	for _, s := range shares {
		qs = append(qs, result.Quantile{Share: s, Seconds: l.Quantile(s).Seconds()})
	}
	return qs
}

// MarshalText returns the histogram in HdrHistogram's compressed encoding.
func (l Latency) MarshalText() ([]byte, error) {
	if l.h == nil {
		return nil, nil
	}
	return l.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// UnmarshalText reads what MarshalText wrote.
func (l *Latency) UnmarshalText(text []byte) error {
	l.h = nil
	if len(text) == 0 {
		return nil
	}
	h, err := hdrhistogram.Decode(text)
	if err != nil {
		return fmt.Errorf("read a histogram: %w", err)
	}
	if h.HighestTrackableValue() != int64(slowest) || h.SignificantFigures() != digits {
		return errors.New("read a histogram: its range is not that of a latency")
	}
	l.h = h
	return nil
}

func (l *Latency) histogram() {
	if l.h == nil {
		l.h = hdrhistogram.New(1, int64(slowest), digits)
	}
}

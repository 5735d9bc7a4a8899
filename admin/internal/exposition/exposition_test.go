package exposition

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Prometheus' own parser reads what was written, whatever labels and values are.
func TestReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, 1, -1, 1e21, 0.1, math.Inf(1), math.Inf(-1), math.MaxFloat64, 1790000000.25}
	pieces := []string{"a", `"`, `\`, "\n", "{}", " ", "é", ",", "=", "#", "\t"}
	type want struct {
		label string
		value float64
	}
	var all []want
	var out bytes.Buffer
	w := NewWriter(&out)
	w.Family("shunt_empty", "gauge", "It has no sample.")
	w.Family("shunt_a", "gauge", "A \"help\"\nof two lines with a \\.")
	for i := range 5000 {
		label := strconv.Itoa(i)
		for range r.IntN(6) {
			label += pieces[r.IntN(len(pieces))]
		}
		s := want{label, values[r.IntN(len(values))]}
		all = append(all, s)
		w.Sample(Join(Label("name", label), "", Label("other", "x")), s.value)
	}
	w.Family("shunt_h", "histogram", "One.")
	w.Histogram(Label("service", "s"), 7, 2.5, map[float64]uint64{1: 6, 0.1: 3})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	got, err := p.TextToMetricFamilies(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got["shunt_a"].GetMetric()) != len(all) || got["shunt_a"].GetHelp() != "A \"help\"\nof two lines with a \\." {
		t.Fatalf("%d families, %d samples, help %q", len(got), len(got["shunt_a"].GetMetric()), got["shunt_a"].GetHelp())
	}
	for i, m := range got["shunt_a"].GetMetric() {
		if m.GetLabel()[0].GetValue() != all[i].label || m.GetGauge().GetValue() != all[i].value || len(m.GetLabel()) != 2 {
			t.Fatalf("sample %d is %v, want %+v", i, m, all[i])
		}
	}
	h := got["shunt_h"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 7 || h.GetSampleSum() != 2.5 || len(h.GetBucket()) != 3 || h.GetBucket()[0].GetCumulativeCount() != 3 ||
		h.GetBucket()[1].GetCumulativeCount() != 6 || h.GetBucket()[2].GetCumulativeCount() != 7 {
		t.Errorf("histogram %v", h)
	}
}

// Bytes that are no UTF-8 do not cost the scrape.
func TestNoUTF8(t *testing.T) {
	if got, want := Label("name", "caf\xe9 \"\n"), "name=\"caf\ufffd \\\"\\n\""; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("gone")
	}
	return len(b), nil
}

// A client that is gone is an error at the end, and costs no memory before.
func TestGone(t *testing.T) {
	w := NewWriter(&failing{left: 1})
	w.Family("shunt_a", "gauge", "A.")
	label := Label("name", strings.Repeat("x", 1000))
	for range 1000 {
		w.Sample(label, 1)
	}
	if err := w.Flush(); err == nil || cap(w.buf) > 2*flushAt {
		t.Errorf("error %v, %d bytes held", err, cap(w.buf))
	}
}

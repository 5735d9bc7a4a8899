package result_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/bench/result"
)

func TestRound(t *testing.T) {
	r := result.Round{
		Seconds: 2, Operations: 1000,
		Subject:   result.CPU{User: 0.5, System: 1, SoftIRQ: 9},
		Generator: result.CPU{User: 0.5, System: 0.5},
		Memory:    result.Memory{Connections: 10, PSS: 30, Kernel: 20},
		Latency:   []result.Quantile{{Share: 0.5, Seconds: 1}, {Share: 0.99, Seconds: 2}},
	}
	got := []float64{r.Rate(), r.Cost(), r.Directing(), r.Generating(), r.Memory.PerConnection()}
	if diff := cmp.Diff([]float64{500, 0.0015, 0.75, 0.5, 5}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.Subject.Forwards = true
	if got := r.Cost(); got != 0.0105 {
		t.Errorf("where the kernel forwards, one operation takes %v s", got)
	}
	for share, want := range map[float64]float64{0.1: 1, 0.5: 1, 0.9: 2, 0.99: 2} {
		if got, ok := r.At(share); !ok || got != want {
			t.Errorf("At(%v) = %v, %v, want %v", share, got, ok, want)
		}
	}
	if _, ok := r.At(0.999); ok {
		t.Error("a latency beyond the last")
	}
	var none result.Round
	if none.Rate() != 0 || none.Cost() != 0 || none.Directing() != 0 || none.Generating() != 0 || none.Memory.PerConnection() != 0 {
		t.Error("an empty round has figures")
	}
}

func at(subject string, rate uint64) result.Measure {
	return result.Measure{Subject: subject, Rounds: []result.Round{{Seconds: 1, Operations: rate}}}
}

func TestReference(t *testing.T) {
	for _, c := range []struct {
		name     string
		measures []result.Measure
		want     string
	}{
		{"haproxy whatever is faster", []result.Measure{at("nginx", 9), at("haproxy", 5), at("direct", 20)}, "haproxy"},
		{"the fastest peer", []result.Measure{at("shunt-ipvs", 30), at("ldirectord", 8), at("keepalived", 9)}, "keepalived"},
		{"a peer before direct", []result.Measure{at("direct", 20), at("nginx", 1)}, "nginx"},
		{"direct", []result.Measure{at("shunt-proxy", 5), at("direct", 20)}, "direct"},
		{"none", []result.Measure{at("shunt-proxy", 5), at("shunt-ipvs", 6)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, ok := result.Group{Measures: c.measures}.Reference()
			if ok != (c.want != "") || ok && m.Subject != c.want {
				t.Errorf("got %q, %v, want %q", m.Subject, ok, c.want)
			}
		})
	}
}

func TestGroups(t *testing.T) {
	run := result.Run{Measures: []result.Measure{
		{Scenario: "udp", Work: "a", Subject: "x"},
		{Scenario: "idle", Work: "a", Subject: "x"},
		{Scenario: "udp", Work: "b", Subject: "x"},
		{Scenario: "udp", Work: "a", Subject: "y"},
	}}
	var got []string
	for _, g := range run.Groups() {
		line := g.Scenario + " " + g.Work + ":"
		for _, m := range g.Measures {
			line += " " + m.Subject
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"udp a: x y", "idle a: x", "udp b: x"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A machine that is slower from round to round has no part in the ratio.
func TestDearer(t *testing.T) {
	costs := func(seconds ...float64) (m result.Measure) {
		for _, s := range seconds {
			m.Rounds = append(m.Rounds, result.Round{Operations: 1, Subject: result.CPU{User: s}})
		}
		return m
	}
	for _, c := range []struct {
		a, b result.Measure
		want float64
	}{
		{costs(2, 4, 16), costs(1, 2, 8), 2},
		{costs(1, 9, 3), costs(1, 2, 3), 1},
		{costs(6, 6), costs(2, 3, 4), 2},
		{costs(6), costs(0), 0},
		{costs(), costs(), 0},
	} {
		if got := c.a.Dearer(c.b); got != c.want {
			t.Errorf("%v to %v is %v, want %v", c.a.Each(result.Round.Cost), c.b.Each(result.Round.Cost), got, c.want)
		}
	}
}

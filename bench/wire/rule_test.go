package wire

import (
	"slices"
	"testing"
)

func TestTurn(t *testing.T) {
	for _, c := range []struct {
		scheduler string
		weights   []int
		want      []int
	}{
		{"rr", []int{1, 1, 1}, []int{0, 1, 2}},
		{"rr", []int{5, 0, 2}, []int{0, 2}},
		{"wrr", []int{2, 1}, []int{0, 0, 1}},
		{"wrr", []int{4, 2}, []int{0, 0, 1}},
		{"wrr", []int{1, 2, 3}, []int{2, 1, 2, 0, 1, 2}},
		{"wrr", []int{3, 0, 3}, []int{0, 2}},
		{"wrr", []int{6, 4}, []int{0, 0, 1, 0, 1}},
		{"wrr", []int{0, 0}, nil},
		{"lc", []int{1, 1}, nil},
	} {
		if got := cycle(c.scheduler, c.weights); !slices.Equal(got, c.want) {
			t.Errorf("%s %v: %v, want %v", c.scheduler, c.weights, got, c.want)
		}
	}
}

func TestFollow(t *testing.T) {
	for _, c := range []struct {
		seq, rule []int
		kept      int
	}{
		{[]int{0, 0, 1, 0, 0, 1, 0}, []int{0, 0, 1, 0, 0, 1, 0}, 7},
		{[]int{1, 0, 0, 1}, []int{1, 0, 0, 1}, 4},
		{[]int{0, 1, 0, 1}, []int{0, 1, 0, 0}, 3},
		{[]int{1, 1}, []int{1, 0}, 1},
		{[]int{-1, 0}, []int{0, 0}, 0},
		{nil, nil, 0},
	} {
		rule, kept := align([]int{0, 0, 1}, c.seq)
		if !slices.Equal(rule, c.rule) || kept != c.kept {
			t.Errorf("%v follows %v for %d, want %v for %d", c.seq, rule, kept, c.rule, c.kept)
		}
	}
}

func TestHeld(t *testing.T) {
	for _, c := range []struct {
		scheduler string
		weights   []int
		n         int
		want      []uint64
	}{
		{"lc", []int{1, 2, 3}, 12, []uint64{4, 4, 4}},
		{"wlc", []int{1, 2, 3}, 12, []uint64{2, 4, 6}},
		{"sed", []int{1, 2, 3}, 12, []uint64{2, 4, 6}},
		{"nq", []int{1, 2, 3}, 3, []uint64{1, 1, 1}},
		{"fo", []int{1, 3, 2}, 5, []uint64{0, 5, 0}},
		{"ovf", []int{1, 3, 2}, 5, []uint64{0, 3, 2}},
		{"lc", []int{0, 1}, 2, []uint64{0, 2}},
		{"lc", []int{0, 0}, 2, nil},
		{"sh", []int{1, 1}, 2, nil},
	} {
		if got := held(c.scheduler, c.weights, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d connections by %s %v: %v, want %v", c.n, c.scheduler, c.weights, got, c.want)
		}
	}
}

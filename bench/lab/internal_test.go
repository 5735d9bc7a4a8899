package lab

import (
	"net/netip"
	"testing"
)

func TestMask(t *testing.T) {
	for want, processors := range map[string][]int{
		"1": {0}, "2": {1}, "f": {0, 1, 2, 3}, "80000000": {31}, "1,00000000": {32}, "2,00000000,00000001": {0, 65},
	} {
		if got := mask(processors); got != want {
			t.Errorf("mask(%v) = %s, want %s", processors, got, want)
		}
	}
}

func TestNth(t *testing.T) {
	for _, tt := range []struct {
		from string
		n    int
		want string
	}{
		{"10.2.0.0", 0x1001, "10.2.16.1"},
		{"10.2.0.255", 1, "10.2.1.0"},
		{"fd00:2::", 0x1001, "fd00:2::1001"},
	} {
		if got := nth(netip.MustParseAddr(tt.from), tt.n); got.String() != tt.want {
			t.Errorf("%s + %d = %v, want %s", tt.from, tt.n, got, tt.want)
		}
	}
	if last := nth(back4.Addr(), realOffset+maxReal-1); !back4.Contains(last) {
		t.Errorf("the last real server, %v, is outside of %v", last, back4)
	}
}

func TestProcessorsInWords(t *testing.T) {
	for want, p := range map[string]Processors{
		"director alone on processor 1; clients and real servers on processor 0":         {Director: []int{1}, Others: []int{0}},
		"director alone on processors 2, 3; clients and real servers on processors 0, 1": {Director: []int{2, 3}, Others: []int{0, 1}},
		"director, clients and real servers share processor 0":                           {Director: []int{0}, Others: []int{0}},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

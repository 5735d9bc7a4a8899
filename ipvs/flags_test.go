package ipvs

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFlagNamesAreTheOppositeOfFlagBits(t *testing.T) {
	for _, scheduler := range schedulers {
		for bits := range uint32(8) {
			bits <<= 3
			names := flagNames(scheduler, bits)
			want := bits | flagBits(scheduler, nil)
			if got := flagBits(scheduler, names); got != want {
				t.Errorf("%s: %#x is called %v, which is %#x", scheduler, bits, names, got)
			}
		}
	}
	if got := flagNames("sh", flagSched1|flagSched2|flagSched3); !slices.Equal(got, []string{"sh-fallback", "sh-port", "flag-3"}) {
		t.Errorf("the flags of sh are called %v", got)
	}
}

func TestNetmask(t *testing.T) {
	for bits := range 33 {
		if got := prefixBits(false, netmask(false, bits)); got != bits {
			t.Errorf("IPv4 prefix of %d bits reads back as %d", bits, got)
		}
	}
	// As it lies in memory the first byte of the address comes first.
	if got := netmask(false, 8); got != 0xff && got != 0xff000000 {
		t.Errorf("255.0.0.0 is %#x", got)
	}
	if got := netmask(true, 64); got != 64 {
		t.Errorf("an IPv6 prefix of 64 bits is %d", got)
	}
}

func TestPersistenceNeverEndsEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(maxTimeout)).Draw(t, "persistent"))
		got := time.Duration(wholeSeconds(d)) * time.Second
		if got < d || got-d >= time.Second {
			t.Errorf("%v becomes %v", d, got)
		}
	})
}

package screen

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func prefixes(t testing.TB, words string) (all []netip.Prefix) {
	t.Helper()
	for w := range strings.FieldsSeq(words) {
		p, err := netip.ParsePrefix(w)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestRules(t *testing.T) {
	tests := []struct {
		name, allow, deny string
		serve, not        string
	}{
		{"nothing said", "", "", "192.0.2.1 2001:db8::1 ::ffff:192.0.2.1", ""},
		{"deny alone", "", "192.0.2.0/24 2001:db8::/32", "192.0.3.1 2001:db9::1", "192.0.2.0 192.0.2.255 2001:db8::1"},
		{"allow alone", "192.0.2.0/24", "", "192.0.2.7", "192.0.3.1 2001:db8::1"},
		{"one family", "2001:db8::/32", "", "2001:db8::1", "192.0.2.1"},
		{"hole", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.1 10.2.0.1", "10.1.0.1 11.0.0.1"},
		{"island", "10.1.2.3/32", "10.0.0.0/8", "10.1.2.3", "10.1.2.4 11.0.0.1"},
		{"island in a hole", "10.0.0.0/8 10.1.2.0/24", "10.1.0.0/16", "10.0.0.1 10.1.2.9", "10.1.3.1"},
		{"equal", "10.0.0.0/8", "10.0.0.0/8", "", "10.0.0.1 11.0.0.1"},
		{"everybody but", "0.0.0.0/0 ::/0", "192.0.2.1/32", "192.0.2.2 ::1", "192.0.2.1"},
		{"written as IPv6", "::ffff:192.0.2.0/120", "", "192.0.2.1 ::ffff:192.0.2.2", "192.0.3.1"},
		{"mapped", "", "192.0.2.0/24", "::ffff:192.0.3.1", "::ffff:192.0.2.1"},
		{"zone", "", "fe80::/10", "fd00::1", "fe80::1%lo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewRules(prefixes(t, tt.allow), prefixes(t, tt.deny))
			for _, want := range []bool{true, false} {
				for w := range strings.FieldsSeq(map[bool]string{true: tt.serve, false: tt.not}[want]) {
					if got := r.Serve(netip.MustParseAddr(w)); got != want {
						t.Errorf("%s is served: %t, want %t", w, got, want)
					}
				}
			}
		})
	}
}

// The answer is that of a search through both lists.
func TestRulesLikeASearch(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 255).Draw(t, "address"))})
		p, _ := a.Prefix(rapid.IntRange(24, 32).Draw(t, "bits"))
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		allow, deny := rapid.SliceOf(prefix).Draw(t, "allow"), rapid.SliceOf(prefix).Draw(t, "deny")
		r := NewRules(allow, deny)
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			yes, no := longest(allow, a), longest(deny, a)
			want := yes > no || yes == no && yes < 0 && len(allow) == 0
			if got := r.Serve(a); got != want {
				t.Fatalf("%s is served: %t, want %t", a, got, want)
			}
		}
	})
}

// longest returns the length of the longest prefix that a is in, -1 for none.
func longest(in []netip.Prefix, a netip.Addr) int {
	bits := -1
	for _, p := range in {
		if p.Contains(a) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// manyPrefixes are n of both families that do not follow each other.
func manyPrefixes(n int) []netip.Prefix {
	all := make([]netip.Prefix, n)
	for i := range all {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], uint64(i+1)*0x9e3779b97f4a7c15)
		if i%4 == 0 {
			b[0], b[1] = 0x20, 0x01
			all[i] = netip.PrefixFrom(netip.AddrFrom16(b), 32+i%33).Masked()
		} else {
			all[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), 16+i%17).Masked()
		}
	}
	return all
}

func BenchmarkNewRules(b *testing.B) {
	deny := manyPrefixes(100_000)
	for b.Loop() {
		NewRules(nil, deny)
	}
}

func BenchmarkServe(b *testing.B) {
	r := NewRules(nil, manyPrefixes(100_000))
	var clients [1024]netip.Addr
	for i, p := range manyPrefixes(2 * len(clients)) {
		clients[i/2] = p.Addr()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Serve(clients[i%len(clients)])
	}
}

package dgram

import (
	"testing"

	"pgregory.net/rapid"
)

// An index finds what a map would find.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := flows{index: newIndex()}
		there := map[uint32]*flow{}
		at := func(n uint32) *origin { return &origin{client: address{n}, port: 1} }
		who := rapid.Uint32Range(0, 300)
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				n := who.Draw(t, "origin")
				if there[n] == nil {
					f := s.take(at(n))
					f.fd = int32(n)
					s.indexFlow(f)
					there[n] = f
				}
			},
			"remove": func(t *rapid.T) {
				n := who.Draw(t, "origin")
				if f := there[n]; f != nil {
					s.unindexFlow(f)
					s.put(f)
					delete(there, n)
				}
			},
			"": func(t *rapid.T) {
				if s.index.count != len(there) {
					t.Fatalf("%d in the index, want %d", s.index.count, len(there))
				}
				for n := range uint32(301) {
					if got := s.lookup(at(n), nil); got != there[n] {
						t.Fatalf("origin %d: %v, want %v", n, got, there[n])
					}
				}
			},
		})
	})
}

// Flows from one origin are found one after the other.
func TestIndexSameOrigin(t *testing.T) {
	s := flows{index: newIndex()}
	o := &origin{port: 3}
	want := map[*flow]bool{}
	for range 200 {
		s.indexFlow(s.take(&origin{port: 4}))
		f := s.take(o)
		s.indexFlow(f)
		want[f] = true
	}
	for f := s.lookup(o, nil); f != nil; f = s.lookup(o, f) {
		if !want[f] {
			t.Fatalf("found %v twice, or it is another's", f.origin)
		}
		delete(want, f)
	}
	if len(want) != 0 {
		t.Errorf("%d have not been found", len(want))
	}
}

package wheel

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// A wheel does what a list of times would do, also when the count of ticks
// starts again from 0.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wh := New(rapid.Uint32().Draw(t, "now"))
		due := map[int32]uint32{} // in ticks from now
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				i := rapid.Int32Range(0, 7).Draw(t, "conn")
				ahead := rapid.Uint32Range(0, 1000).Draw(t, "ahead")
				wh.Set(i, wh.now+ahead)
				due[i] = min(max(ahead, 1), Slots-1)
			},
			"clear": func(t *rapid.T) {
				i := rapid.Int32Range(0, 7).Draw(t, "conn")
				wh.Clear(i)
				delete(due, i)
			},
			"advance": func(t *rapid.T) {
				n := rapid.Uint32Range(0, 2000).Draw(t, "ticks")
				want, got := map[int32]bool{}, map[int32]bool{}
				for i, d := range due {
					if d <= n {
						want[i] = true
						delete(due, i)
					} else {
						due[i] = d - n
					}
				}
				wh.Advance(wh.now+n, func(i int32) { got[i] = true })
				if !maps.Equal(got, want) {
					t.Fatalf("after %d ticks came up %v, want %v", n, got, want)
				}
			},
			"": func(t *rapid.T) {
				n, ok := wh.Next()
				first := uint32(0)
				for _, d := range due {
					if first == 0 || d < first {
						first = d
					}
				}
				if ok != (first > 0) || uint32(n) != first {
					t.Fatalf("the next comes up in %d ticks (%v), want %d", n, ok, first)
				}
			},
		})
	})
}

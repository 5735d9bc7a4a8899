//go:build kernel

package differential

import (
	"slices"
	"testing"
)

// TestTables takes every file through its events.
func TestTables(t *testing.T) {
	equipped(t)
	all := slices.Concat(protocols, health, wordings, takeovers, differences, keepaliveds)
	for i, f := range all {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, f, i)
			for _, e := range f.events {
				e.happens(t, w)
				w.compare(t, e)
				if t.Failed() {
					return
				}
			}
		})
	}
}

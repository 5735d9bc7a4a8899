//go:build kernel

package differential

import (
	"slices"
	"testing"
)

// TestTables takes every file through its events, one after the other: in a
// machine that counts its time nothing is won by several at once, for waiting
// takes none, and each would do more passes of checks meanwhile.
func TestTables(t *testing.T) {
	equipped(t)
	l := newLauncher(t)
	all := slices.Concat(protocols, health, offered, wordings, takeovers, differences, keepaliveds)
	for i, f := range all {
		t.Run(f.name, func(t *testing.T) {
			w := newWalk(t, f, i, l)
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

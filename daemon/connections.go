package daemon

import (
	"context"
	"iter"

	"github.com/shunt-lb/shunt/dataplane"
)

// connections returns the connections of all dataplanes. Their tables are read while
// they are iterated over, outside the director's loop.
func (d *Daemon) connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return func(yield func(dataplane.Connection, error) bool) {
		for _, p := range d.plane.Planes() {
			l, ok := p.Dataplane.(dataplane.Lister)
			if !ok {
				continue
			}
			for c, err := range l.Connections(ctx) {
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

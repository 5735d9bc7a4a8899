package daemon

import (
	"context"
	"iter"
	"slices"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
)

// connections returns the connections of those dataplanes that have a table of
// them, and the services of the others. The tables are read while they are
// iterated over, outside the director's loop.
func (d *Daemon) connections(ctx context.Context) admin.Connections {
	var all admin.Connections
	var tables []iter.Seq2[dataplane.Connection, error]
	for _, p := range d.plane.Planes() {
		if l, ok := p.Dataplane.(dataplane.Lister); ok {
			tables = append(tables, l.Connections(ctx))
		} else {
			all.Unlisted = append(all.Unlisted, d.plane.Served(p.Name)...)
		}
	}
	slices.Sort(all.Unlisted)
	if len(tables) > 0 {
		all.All = concat(tables)
	}
	return all
}

// concat returns the elements of several sequences. An error is the last.
func concat[T any](seqs []iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, seq := range seqs {
			for c, err := range seq {
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

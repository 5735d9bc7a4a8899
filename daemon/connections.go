package daemon

import (
	"iter"
	"slices"

	"github.com/shunt-lb/shunt/admin"
)

// connections returns the connections of those dataplanes that have a table of
// them, and the services of the others. The tables are read while they are
// iterated over, outside the director's loop.
func (d *Daemon) connections() admin.Connections {
	var all admin.Connections
	var tables []iter.Seq2[admin.Connection, error]
	for _, p := range d.plane.Planes() {
		switch k := kindNamed(p.Name); {
		case k.connections == nil:
			all.Unlisted = append(all.Unlisted, d.plane.Served(p.Name)...)
		case d.plane.opened(p.Name):
			tables = append(tables, k.connections())
		}
	}
	slices.Sort(all.Unlisted)
	if len(tables) > 0 {
		all.All = concat(tables)
	}
	return all
}

// concat returns the elements of several sequences. An error is the last.
func concat(seqs []iter.Seq2[admin.Connection, error]) iter.Seq2[admin.Connection, error] {
	return func(yield func(admin.Connection, error) bool) {
		for _, seq := range seqs {
			for c, err := range seq {
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

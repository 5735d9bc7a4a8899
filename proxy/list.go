package proxy

import (
	"context"
	"iter"

	"github.com/shunt-lb/shunt/dataplane"
)

// Connections implements [dataplane.Lister]. The workers go on meanwhile. Connections
// that wait for a real server have none; those on the built-in sorry server are not
// among them.
func (d *Dataplane) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return func(yield func(dataplane.Connection, error) bool) {
		if err := d.usable(ctx); err != nil {
			yield(dataplane.Connection{}, err)
			return
		}
		for _, seq := range []iter.Seq2[dataplane.Connection, error]{d.tcp.Connections(ctx), d.udp.Connections(ctx)} {
			for c, err := range seq {
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

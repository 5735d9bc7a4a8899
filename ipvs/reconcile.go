package ipvs

import (
	"context"
	"errors"

	"github.com/shunt-lb/shunt/dataplane"
)

// reconcile reads a service and makes it what it is to be.
func (d *Dataplane) reconcile(ctx context.Context, id dataplane.ServiceID, want state) error {
	e, there, err := d.find(id)
	if err != nil {
		return err
	}
	var have *state
	if there {
		have = e.state()
	}
	return d.take(ctx, id, diff(have, want), usable(want.servers))
}

// usable counts the servers that take new connections.
func usable(servers []server) int {
	var n int
	for _, s := range servers {
		if s.weight > 0 {
			n++
		}
	}
	return n
}

// take takes steps. One that fails does not keep the others from being taken,
// except where nothing would be left: serving are the usable real servers that
// there will be if all goes well.
func (d *Dataplane) take(ctx context.Context, id dataplane.ServiceID, steps []step, serving int) error {
	var errs []error
	needed := serving > 0
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if s.effect == closes && needed && serving == 0 {
			break
		}
		d.writes.Add(1)
		err := s.on(d.table, id)
		if err == nil {
			continue
		}
		errs = append(errs, opError(id, s, err))
		if s.verb == addService {
			break
		}
		if s.effect == opens {
			serving--
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

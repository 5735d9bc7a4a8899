package ipvs

import (
	"context"
	"errors"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// reconcile reads a service and changes it into want, by steps that adjust may
// change. It adds the counters that it reads before that to l.
func (d *Dataplane) reconcile(ctx context.Context, id dataplane.ServiceID, want state, l *totals, adjust func([]step)) error {
	e, there, err := d.find(id)
	if err != nil {
		return err
	}
	var have *state
	if there {
		have = e.state()
		l.record(&e)
	} else {
		l.service.end()
	}
	steps := diff(have, want)
	adjust(steps)
	err = d.applySteps(ctx, id, steps, usable(want.servers))
	if l.returns(steps) {
		if e, there, lost := d.find(id); lost == nil && there {
			l.record(&e)
		}
	}
	return err
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

// applySteps applies steps. A step that fails does not stop the others, except
// where no usable real server would be left: serving is the number of those if all
// steps succeed. Steps that remove servers come last, in an attempt of their own.
func (d *Dataplane) applySteps(ctx context.Context, id dataplane.ServiceID, steps []step, serving int) error {
	n := slices.IndexFunc(steps, func(s step) bool { return s.effect == closes })
	if n < 0 {
		n = len(steps)
	}
	unserved, errs := d.attempt(id, steps[:n])
	switch err := ctx.Err(); {
	case n == len(steps), serving > 0 && unserved >= serving:
	case err != nil:
		errs = append(errs, err)
	default:
		_, more := d.attempt(id, steps[n:])
		errs = append(errs, more...)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// attempt applies steps together. It returns how many usable real servers could not
// be added, and the errors.
func (d *Dataplane) attempt(id dataplane.ServiceID, steps []step) (unserved int, failed []error) {
	d.writes.Add(uint64(len(steps)))
	for i, err := range d.table.applySteps(id, steps) {
		if err == nil {
			continue
		}
		if steps[i].effect == opens {
			unserved++
		}
		failed = append(failed, opError(id, steps[i], err))
		if steps[i].verb == addService {
			break // the others have failed without it
		}
	}
	return unserved, failed
}

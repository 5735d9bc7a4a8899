package ipvs

import (
	"cmp"
	"context"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// perAudit is how many services that look unchanged an audit reads anyway, because
// the kernel's listing does not have everything: thresholds, flags of schedulers,
// tunnels. If there are more services, the next audits read the others.
const perAudit = 50

// Audit implements [dataplane.Auditor]. It compares the whole table by the
// kernel's listing of it, and reads those services that have changed there. No
// change waits for it.
func (d *Dataplane) Audit(ctx context.Context) (found []dataplane.Drift, err error) {
	d.viewing.Lock()
	defer d.viewing.Unlock()
	marks, err := d.marks(ctx)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	d.audits++
	prints := d.view.prints()
	for _, m := range due(marks, prints) {
		st, ours, err := d.look(ctx, m)
		switch {
		case err != nil:
			return found, err
		case ours && len(st.Changes) > 0:
			found = append(found, dataplane.Drift{Service: m.id, Changes: st.Changes, Missing: st.Missing})
			d.note(m, 0)
		case ours:
			d.note(m, prints[listedAs(m.id)])
		}
	}
	return found, nil
}

// due returns the services to read: all that look changed, and of the others those
// that were not read for the longest time.
func due(marks []seen, prints map[dataplane.ServiceID]uint64) []seen {
	changed := func(m seen) bool {
		now, listed := prints[listedAs(m.id)]
		return prints != nil && (!listed || m.print != 0 && m.print != now)
	}
	var first, rest []seen
	for _, m := range marks {
		if changed(m) {
			first = append(first, m)
		} else {
			rest = append(rest, m)
		}
	}
	slices.SortStableFunc(rest, func(a, b seen) int { return cmp.Compare(a.audit, b.audit) })
	return append(first, rest[:min(perAudit, len(rest))]...)
}

// listedAs returns the identity under which the listing shows id.
func listedAs(id dataplane.ServiceID) dataplane.ServiceID {
	if id.Protocol == dataplane.FWMark {
		id.IPv6 = false
	}
	return id
}

// note records that a service was read in this audit, and its print in the
// listing before that, 0 if there is none.
func (d *Dataplane) note(m seen, print uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.applied[m.id]
	if a == nil {
		return
	}
	a.audit = d.audits
	if a.epoch == m.epoch {
		a.print = print
	}
}

package proxy

import (
	"context"

	"github.com/shunt-lb/shunt/dataplane"
)

// cut ends the connections and flows that are left at real servers where the
// service wants none. It is not for the lock: there may be very many, and
// those that are given a place meanwhile are not given one there.
func (d *Dataplane) cut(ctx context.Context, id dataplane.ServiceID) error {
	s := d.service(id)
	if s == nil || !s.table.Doomed() {
		return nil
	}
	if err := s.front.cut(ctx); err != nil {
		return &dataplane.OpError{Op: "cut", Service: id, Err: err}
	}
	return nil
}

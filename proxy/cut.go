package proxy

import (
	"context"

	"github.com/shunt-lb/shunt/dataplane"
)

// cut ends the remaining connections and flows at real servers that the service
// cuts. The caller need not hold the lock, since there may be very many: new ones
// are not scheduled there meanwhile.
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

package admin

import (
	"context"
	"sync"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/admin/page"
)

// views are the status page, and the curves on it.
type views struct {
	page   *page.Page
	curves *curves.Curves
	sample func(context.Context) // looks at the status until the context is done
	once   sync.Once             // of begin
	life   context.Context
	end    context.CancelFunc
	group  sync.WaitGroup
}

func (v *views) init(s *Server) {
	v.curves = curves.New()
	v.life, v.end = context.WithCancel(s.life)
	v.sample = func(ctx context.Context) { v.curves.Run(ctx, s.status) }
	v.page = page.New(page.Options{Version: s.version, Status: s.status, Curves: v.curves.Of, Pace: s.pace})
}

// begin begins to look at the status for the curves, once there is an address that
// shows them.
func (v *views) begin() {
	v.once.Do(func() {
		if v.life.Err() == nil {
			v.group.Go(func() { v.sample(v.life) })
		}
	})
}

// close ends streams and looks, so that nobody waits for them.
func (v *views) close() {
	v.once.Do(func() {}) // a begin that comes later does nothing
	v.end()
	v.page.Close()
	v.group.Wait()
}

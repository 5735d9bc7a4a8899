package admin

import (
	"sync"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/admin/page"
)

// views are the status page, and the curves on it.
type views struct {
	page   *page.Page
	curves *curves.Curves
	once   sync.Once // of begin
	group  sync.WaitGroup
}

func (v *views) init(s *Server) {
	v.curves = curves.New()
	v.page = page.New(page.Options{Version: s.version, Status: s.status, Curves: v.curves.Of, Pace: s.pace})
}

// begin begins to look at the status for the curves, once there is an address that
// shows them, until s is closed.
func (v *views) begin(s *Server) {
	v.once.Do(func() {
		v.group.Go(func() { v.curves.Run(s.leaving, s.status) })
	})
}

// close ends streams, and waits for the looks of a server that is leaving.
func (v *views) close() {
	v.once.Do(func() {}) // a begin that comes later does nothing
	v.page.Close()
	v.group.Wait()
}

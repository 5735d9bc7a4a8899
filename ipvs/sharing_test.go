package ipvs

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestOneCallAtATime: many goroutines share a dataplane over a fake, in which the
// race detector would see two calls at once.
func TestOneCallAtATime(t *testing.T) {
	d, f := opened()
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			want := two()
			want.ID.Addr = netip.AddrPortFrom(want.ID.Addr.Addr(), uint16(1000+i%4))
			for n := range 50 {
				want.RealServers[0].Weight = n % 3
				err := all(d.Apply(t.Context(), want), d.SetTimeouts(t.Context(), Timeouts{UDP: time.Duration(1+n) * time.Second}))
				if err != nil {
					t.Error(err)
				}
				if _, err := d.Snapshot(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := d.Find(t.Context(), []dataplane.ServiceID{want.ID}); err != nil {
					t.Error(err)
				}
				if n%10 == 9 {
					if err := d.Remove(t.Context(), want.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	callers.Wait()
	must(t, d.Close())
	if f.String() != "" {
		t.Errorf("left:\n%s", f)
	}
}

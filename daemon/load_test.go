package daemon

import (
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// TestNotReadyWithAStuckWorker: shunt is not ready while a worker is stuck. The
// reason that it gives first is a service that is not served.
func TestNotReadyWithAStuckWorker(t *testing.T) {
	well, stuck := dataplane.Load{LoopAge: time.Second}, dataplane.Load{Worker: 1, LoopAge: dataplane.StuckAfter}
	for _, tt := range []struct {
		s    director.Status
		load dataplane.Load
		why  string
	}{
		{director.Status{Ready: true}, well, ""},
		{director.Status{Ready: true}, stuck, "worker 1 of the proxy has not run its event loop for 2s"},
		{director.Status{Unready: "shunt is stopping"}, stuck, "shunt is stopping"},
	} {
		got := withLoad(tt.s, tt.load)
		if got.Ready != (tt.why == "") || got.Unready != tt.why {
			t.Errorf("ready %v, %q; want %q", got.Ready, got.Unready, tt.why)
		}
	}
}

package director

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
)

// Putting right what somebody else has changed does not bring back what has
// been replaced since, however the calls for either end.
func TestRepairLeavesNewerRequestsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
		r.plane.setFail(errors.New("no memory"))
		r.farm.set(rs2, "broken")
		r.plane.changeElsewhere(v.ID, nil)
		time.Sleep(time.Minute)
		r.plane.setFail(nil)
		time.Sleep(2 * applier.LastRetry)
		r.want(v, vip+": "+rs1+"=1")
		if got := r.status().Services[0].Error; got != "" {
			t.Errorf("status still says %q", got)
		}
	})
}

// A hung is a dataplane that hangs for all services but one.
type hung struct {
	*plane
	good dataplane.ServiceID
}

func (h *hung) Apply(ctx context.Context, v dataplane.VirtualService) error {
	if v.ID != h.good {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.plane.Apply(ctx, v)
}

// A request for a service waits for one call at the most, however many others have to
// be tried again.
func TestRetriesHoldUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := virtual(vip, rs1)
		h := &hung{plane: newPlane(), good: good.ID}
		a := applier.New(h, func(context.Context, dataplane.ServiceID, *dataplane.VirtualService, error) {}, quiet())
		a.Start()
		defer func() { a.Cancel(); a.Wait() }()
		for i := range 50 {
			v := virtual(fmt.Sprintf("10.0.1.%d:80", i+1))
			a.Apply(dataplane.VirtualService{ID: v.ID})
		}
		time.Sleep(20 * time.Minute)
		a.Apply(dataplane.VirtualService{ID: good.ID})
		time.Sleep(applier.CallTimeout)
		synctest.Wait()
		if got := h.now(good); got != vip+": " {
			t.Errorf("served %q", got)
		}
	})
}

// A service that is gone from the configuration but cannot be removed is
// spoken of.
func TestFailedRemoveIsLogged(t *testing.T) {
	var log bytes.Buffer
	c := newCluster(&effectLog{}, slog.New(slog.NewTextHandler(&log, nil)))
	gone := virtual(vip)
	c.configure(t0, conf(gone), nil)
	c.configure(t0, conf([]config.Virtual{}...), nil)
	c.applied(t0, gone.ID, nil, errors.New("no memory"))
	if !strings.Contains(log.String(), `level=ERROR msg="virtual service that has left the configuration is still there" service="tcp 10.0.0.100:80" err="no memory"`) {
		t.Error(log.String())
	}
}

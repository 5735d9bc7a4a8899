package ipvs

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/shunt-lb/shunt/dataplane"
)

// Timeouts are after how long the kernel forgets connections on which nothing
// moves. They hold for the whole network namespace, and for connections from
// their next packet on.
type Timeouts struct {
	TCP    time.Duration // established; 15 minutes unless changed
	TCPFin time.Duration // both sides have finished; 2 minutes
	UDP    time.Duration // 5 minutes
}

// Timeouts returns those in force.
func (d *Dataplane) Timeouts(ctx context.Context) (Timeouts, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return Timeouts{}, err
	}
	t, err := d.table.timeouts()
	if err != nil {
		return t, fmt.Errorf("read the timeouts of IPVS: %w", err)
	}
	return t, nil
}

// SetTimeouts changes those that are not 0, in whole seconds, rounded up.
// Where they are as they should be already nothing is written. More than 31
// days are refused with an error matching [dataplane.ErrNotSupported].
func (d *Dataplane) SetTimeouts(ctx context.Context, want Timeouts) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	have, err := d.table.timeouts()
	if err != nil {
		return fmt.Errorf("read the timeouts of IPVS: %w", err)
	}
	goal := have
	for _, f := range []struct{ want, goal *time.Duration }{
		{&want.TCP, &goal.TCP}, {&want.TCPFin, &goal.TCPFin}, {&want.UDP, &goal.UDP},
	} {
		if *f.want < 0 || *f.want > maxTimeout {
			return fmt.Errorf("a timeout of IPVS is between a second and %v, not %v: %w", maxTimeout, *f.want, dataplane.ErrNotSupported)
		}
		if *f.want > 0 {
			*f.goal = time.Duration(wholeSeconds(*f.want)) * time.Second
		}
	}
	if goal == have {
		return nil
	}
	d.writes.Add(1)
	if err := d.table.setTimeouts(goal); err != nil {
		return fmt.Errorf("set the timeouts of IPVS: %w", err)
	}
	return nil
}

// timeouts implements table.
func (k *kernel) timeouts() (t Timeouts, err error) {
	err = k.lib.call(func(h *moby.Handle) error {
		c, err := h.GetConfig()
		if err == nil {
			t = Timeouts{TCP: c.TimeoutTCP, TCPFin: c.TimeoutTCPFin, UDP: c.TimeoutUDP}
		}
		return err
	})
	return t, err
}

// setTimeouts implements table.
func (k *kernel) setTimeouts(t Timeouts) error {
	return k.lib.call(func(h *moby.Handle) error {
		return h.SetConfig(&moby.Config{TimeoutTCP: t.TCP, TimeoutTCPFin: t.TCPFin, TimeoutUDP: t.UDP})
	})
}

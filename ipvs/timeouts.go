package ipvs

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// Timeouts are the times after which the kernel forgets connections on which
// nothing moves. They hold for the whole network namespace, and for connections
// from their next packet on.
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

// SetTimeouts changes those that are not 0, rounded up to whole seconds. It
// writes nothing where they are in force already. More than 31 days are refused
// with an error matching [dataplane.ErrNotSupported].
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
	msgs, err := k.ask(cmdGetConfig, 0)
	if err != nil {
		return t, err
	}
	if len(msgs) == 0 || len(msgs[0]) < nl.SizeofGenlmsg {
		return t, unix.EBADMSG
	}
	a, err := parse(msgs[0][nl.SizeofGenlmsg:])
	seconds := func(i uint16) time.Duration { return time.Duration(a.number(i)) * time.Second }
	return Timeouts{TCP: seconds(cmdAttrTimeoutTCP), TCPFin: seconds(cmdAttrTimeoutFin), UDP: seconds(cmdAttrTimeoutUDP)}, err
}

// setTimeouts implements table.
func (k *kernel) setTimeouts(t Timeouts) error {
	seconds := func(i int, d time.Duration) *nl.RtAttr { return nl.NewRtAttr(i, nl.Uint32Attr(uint32(d/time.Second))) }
	_, err := k.request(cmdSetConfig, unix.NLM_F_ACK,
		seconds(cmdAttrTimeoutTCP, t.TCP), seconds(cmdAttrTimeoutFin, t.TCPFin), seconds(cmdAttrTimeoutUDP, t.UDP))
	return err
}

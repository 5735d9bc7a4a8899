package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

// A death is a real server that has become unwell.
type death struct {
	real    int
	at      time.Time
	checked bool // by the subject, since then
}

// deaths has some real servers become unwell over one interval, and returns
// how long each stayed in service. The subject is asked only about those that
// it has checked since, as asking costs it something.
func (w *watchfulness) deaths(ctx context.Context) (load.Latency, error) {
	var found load.Latency
	ctx, cancel := context.WithTimeoutCause(ctx, 6*manyInterval, fmt.Errorf("not all of %d deaths showed within %v", manyDie, 6*manyInterval))
	defer cancel()
	look := time.NewTicker(manyLook)
	defer look.Stop()
	begin, struck := time.Now(), 0
	dying := map[netip.Addr]*death{}
	for struck < manyDie || len(dying) > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return found, errors.Join(context.Cause(ctx), w.running.Err())
		}
		for ; struck < manyDie && time.Since(begin) > time.Duration(struck)*manyInterval/manyDie; struck++ {
			if err := w.strike(dying, struck*len(w.reals)/manyDie); err != nil {
				return found, err
			}
		}
		w.checked(dying)
		if err := w.gone(ctx, dying, &found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// strike has real server i become unwell.
func (w *watchfulness) strike(dying map[netip.Addr]*death, i int) error {
	a := w.reals[i].Addr.Addr()
	dying[a] = &death{real: i, at: time.Now()}
	_, err := fmt.Fprintln(w.in, a)
	return err
}

// checked takes in which of those that are dying were checked.
func (w *watchfulness) checked(dying map[netip.Addr]*death) {
	for {
		select {
		case s, ok := <-w.sightings:
			if !ok {
				return
			}
			if d := dying[s.Addr]; d != nil && s.Unwell {
				d.checked = true
			}
		default:
			return
		}
	}
}

// gone records those that are not in service any more.
func (w *watchfulness) gone(ctx context.Context, dying map[netip.Addr]*death, found *load.Latency) error {
	for a, d := range dying {
		if !d.checked {
			continue
		}
		serves, err := w.running.Serves(ctx, d.real)
		if err != nil {
			return err
		}
		if !serves {
			found.Record(time.Since(d.at))
			delete(dying, a)
		}
	}
	return nil
}

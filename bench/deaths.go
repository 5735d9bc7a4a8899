package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

// A death is a real server that has become unwell.
type death struct {
	at      time.Time
	checked bool // by the subject, since then
}

// deaths has some real servers become unwell over one interval, and returns
// how long each stayed in service. The subject is asked only about those that
// it has checked since, and no more than a tenth of the time, as asking costs
// it something.
func (w *watchfulness) deaths(ctx context.Context) (load.Latency, error) {
	var found load.Latency
	ctx, cancel := context.WithTimeoutCause(ctx, 6*manyInterval, fmt.Errorf("not all of %d deaths showed within %v", manyDie, 6*manyInterval))
	defer cancel()
	begin, struck := time.Now(), 0
	dying := map[int]*death{}
	var asked error
	for pause := manyLook; struck < manyDie || len(dying) > 0; {
		if sleep(ctx, pause) != nil {
			return found, errors.Join(context.Cause(ctx), asked, w.running.Err())
		}
		for ; struck < manyDie && time.Since(begin) > time.Duration(struck)*manyInterval/manyDie; struck++ {
			if err := w.strike(dying, victims[struck]*len(w.reals)/manyDie); err != nil {
				return found, err
			}
		}
		w.checked(dying)
		before := time.Now()
		asked = w.gone(ctx, dying, &found)
		pause = max(manyLook, 9*time.Since(before))
	}
	return found, nil
}

// victims is who dies one after the other, in parts of all. Their order is not
// that in which they are checked: each would die at the same time before its
// check.
var victims = [manyDie]int{0, 7, 14, 1, 8, 15, 2, 9, 16, 3, 10, 17, 4, 11, 18, 5, 12, 19, 6, 13}

// strike has real server i become unwell.
func (w *watchfulness) strike(dying map[int]*death, i int) error {
	dying[i] = &death{at: time.Now()}
	_, err := fmt.Fprintln(w.in, w.reals[i].Addr.Addr())
	return err
}

// checked takes in which of those that are dying were checked.
func (w *watchfulness) checked(dying map[int]*death) {
	for {
		select {
		case s, ok := <-w.sightings:
			if !ok {
				return
			}
			for i, d := range dying {
				d.checked = d.checked || s.Unwell && s.Addr == w.reals[i].Addr.Addr()
			}
		default:
			return
		}
	}
}

// gone records those that are not in service any more.
func (w *watchfulness) gone(ctx context.Context, dying map[int]*death, found *load.Latency) error {
	var ask []int
	for i, d := range dying {
		if d.checked {
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	serving, err := w.running.Serves(ctx, ask)
	if err != nil {
		return err
	}
	for _, i := range ask {
		if !serving[i] {
			found.Record(time.Since(dying[i].at))
			delete(dying, i)
		}
	}
	return nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

// A failure is a real server that has become unwell.
type failure struct {
	at      time.Time
	checked bool // by the subject, since then
}

// failures makes some real servers unwell over one interval, and returns
// how long each stayed in service. The subject is asked only about those that
// it has checked since, and no more than a tenth of the time, as asking costs
// it something.
func (w *detection) failures(ctx context.Context) (load.Latency, error) {
	var found load.Latency
	ctx, cancel := context.WithTimeoutCause(ctx, 6*manyInterval, fmt.Errorf("not all of %d failures showed within %v", manyFail, 6*manyInterval))
	defer cancel()
	begin, begun := time.Now(), 0
	failing := map[int]*failure{}
	var pollErr error
	for pause := manyPoll; begun < manyFail || len(failing) > 0; {
		if sleep(ctx, pause) != nil {
			return found, errors.Join(context.Cause(ctx), pollErr, w.running.Err())
		}
		for ; begun < manyFail && time.Since(begin) > time.Duration(begun)*manyInterval/manyFail; begun++ {
			if err := w.fail(failing, failureOrder[begun]*len(w.reals)/manyFail); err != nil {
				return found, err
			}
		}
		w.checked(failing)
		before := time.Now()
		pollErr = w.recordRemoved(ctx, failing, &found)
		pause = max(manyPoll, 9*time.Since(before))
	}
	return found, nil
}

// failureOrder is the order in which real servers fail, in twentieths of all. It
// is not that in which they are checked, else each would fail equally long
// before its check.
var failureOrder = [manyFail]int{0, 7, 14, 1, 8, 15, 2, 9, 16, 3, 10, 17, 4, 11, 18, 5, 12, 19, 6, 13}

// fail makes real server i unwell.
func (w *detection) fail(failing map[int]*failure, i int) error {
	failing[i] = &failure{at: time.Now()}
	_, err := fmt.Fprintln(w.in, w.reals[i].Addr.Addr())
	return err
}

// checked notes which of those that are failing were checked.
func (w *detection) checked(failing map[int]*failure) {
	for {
		select {
		case s, ok := <-w.firstChecks:
			if !ok {
				return
			}
			for i, d := range failing {
				d.checked = d.checked || s.Unwell && s.Addr == w.reals[i].Addr.Addr()
			}
		default:
			return
		}
	}
}

// recordRemoved records those that are not in service any more.
func (w *detection) recordRemoved(ctx context.Context, failing map[int]*failure, found *load.Latency) error {
	var ask []int
	for i, d := range failing {
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
			found.Record(time.Since(failing[i].at))
			delete(failing, i)
		}
	}
	return nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

const (
	manyMeasure = 5 * time.Second       // how long the cost of checks is measured
	manyFail    = 200                   // real servers that become unwell then
	manyPoll    = 20 * time.Millisecond // how often a table is read, at the least
	// mostToAdd is how long it may take to add one to the table, in an emulated machine.
	mostToAdd = 150 * time.Millisecond
)

// A detection is a subject and the real servers that it checks.
type detection struct {
	manyWork
	running *subject.Running
	in      io.Writer
	lines   <-chan said
	targets []subject.Real
}

// A failure is a real server that has become unwell.
type failure struct {
	at      time.Time
	checked bool // by the subject, since then
}

// idle returns the memory of the subject after the first check.
func (w *detection) idle(ctx context.Context) (uint64, error) {
	if err := w.begun(ctx); err != nil {
		return 0, err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	u, err := w.running.Usage()
	return u.PSS, err
}

// begun waits until every real server was checked once. Connections that end
// by a reset are not seen there, but counted by the kernel.
func (w *detection) begun(ctx context.Context) error {
	if w.check != subject.CheckHTTP {
		return w.beganAll(ctx)
	}
	for n := 0; n < w.reals; {
		s, err := w.next(ctx)
		if err != nil {
			return fmt.Errorf("until every real server was checked once: %w", err)
		}
		if s.First != nil {
			n++
		}
	}
	return nil
}

// beganAll waits until as many connections were begun as there are real
// servers, and for an interval more.
func (w *detection) beganAll(ctx context.Context) error {
	for end := time.Now().Add(w.patience()); ; {
		n, err := w.running.Opened()
		switch {
		case err != nil:
			return errors.Join(err, w.running.Err())
		case n >= uint64(w.reals):
			return sleep(ctx, w.every)
		case time.Now().After(end):
			return fmt.Errorf("only %d checks within %v", n, w.patience())
		}
		if err := sleep(ctx, manyPoll); err != nil {
			return err
		}
	}
}

// patience is how long the subject may take to its next check: ldirectord calls
// ipvsadm for each real server before the first one.
func (w *detection) patience() time.Duration {
	return 6*w.every + 20*time.Second + time.Duration(w.reals)*mostToAdd
}

// measure measures the cost of the checks while all real servers are well, and
// then how long those that fail stay in service.
func (w *detection) measure(ctx context.Context, got *result.ChecksRound, found, late *load.Latency) error {
	if err := w.begun(ctx); err != nil {
		return err
	}
	if w.silent {
		// All at once: this is the burst to be measured.
		failing, err := w.failMany(ctx, w.reals/2, 0)
		if err != nil {
			return err
		}
		if err := w.removed(ctx, failing, found); err != nil {
			return err
		}
	}
	if err := w.cost(ctx, got, late); err != nil || w.silent || w.check != subject.CheckHTTP {
		return err
	}
	failing, err := w.failMany(ctx, manyFail, 2*w.every)
	if err != nil {
		return err
	}
	return w.removed(ctx, failing, found)
}

// cost measures the cost of checks for a time.
func (w *detection) cost(ctx context.Context, got *result.ChecksRound, late *load.Latency) error {
	failedBefore, err1 := w.running.Failed(ctx)
	_, err2 := fmt.Fprintln(w.in, healthMeasure)
	openedBefore, err3 := w.running.Opened()
	before, err4 := w.running.Usage()
	if err := errors.Join(err1, err2, err3, err4, sleep(ctx, max(manyMeasure, 2*w.every))); err != nil {
		return err
	}
	after, err1 := w.running.Usage()
	opened, err2 := w.running.Opened()
	_, err3 = fmt.Fprintln(w.in, healthReport)
	failed, err4 := w.running.Failed(ctx)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	got.Seconds = after.At.Sub(before.At).Seconds()
	used, _ := after.Since(before, got.Seconds)
	// Nothing is forwarded. SoftIRQ has the checks alone, which are in the
	// system's share already.
	got.CPU, got.Memory, got.Checks = used.User+used.System, after.PSS, opened-openedBefore
	if failed != nil {
		n := *failed - *failedBefore
		got.Failed = &n
	}
	for {
		s, err := w.next(ctx)
		if err != nil {
			return err
		}
		if s.Lateness != nil {
			late.Merge(*s.Lateness)
			return nil
		}
	}
}

// failMany makes n real servers unwell, evenly over a time and over all of them,
// but not in the order of their checks: otherwise each would fail equally long
// before its check.
func (w *detection) failMany(ctx context.Context, n int, over time.Duration) (map[int]*failure, error) {
	word := healthUnwell
	if w.silent {
		word = healthSilent
	}
	failing := map[int]*failure{}
	begin := time.Now()
	for k := range n {
		if err := sleep(ctx, time.Until(begin.Add(time.Duration(k)*over/time.Duration(n)))); err != nil {
			return nil, err
		}
		// Consecutive ones are apart by the golden section of all. Each is hit
		// once, since the step and n have no common divisor.
		i := (k * coprime(n)) % n * w.reals / n
		failing[i] = &failure{at: time.Now()}
		if _, err := fmt.Fprintln(w.in, word, w.targets[i].Addr.Addr()); err != nil {
			return nil, err
		}
	}
	return failing, nil
}

// coprime returns the number next to the golden section of n that has no common
// divisor with it.
func coprime(n int) int {
	for c := max(1, n*618/1000); ; c++ {
		a, b := n, c
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return c
		}
	}
}

// removed records how long each failing real server stayed in service: by the
// subject's own word after it has checked all of them, or by the kernel's table,
// which is read meanwhile.
func (w *detection) removed(ctx context.Context, failing map[int]*failure, found *load.Latency) error {
	all, limit := len(failing), 4*w.every+10*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not all of %d failures showed within %v", all, limit))
	defer cancel()
	pause := manyPoll
	for len(failing) > 0 {
		if sleep(ctx, pause) != nil {
			return errors.Join(context.Cause(ctx), fmt.Errorf("%d of them did not", len(failing)), w.running.Err())
		}
		w.noteChecked(failing)
		before, record := time.Now(), w.recordByTable
		if w.running.Tells() {
			record = w.recordByWord
		}
		if err := record(ctx, failing, found); err != nil {
			return err
		}
		pause = max(manyPoll, 9*time.Since(before))
	}
	return nil
}

// noteChecked notes which of those that are failing were checked.
func (w *detection) noteChecked(failing map[int]*failure) {
	for {
		select {
		case s, ok := <-w.lines:
			if !ok {
				return
			}
			for i, f := range failing {
				f.checked = f.checked || s.First != nil && s.First.Health != "" && s.First.Addr == w.targets[i].Addr.Addr()
			}
		default:
			return
		}
	}
}

// recordByWord asks the subject when all were checked.
func (w *detection) recordByWord(ctx context.Context, failing map[int]*failure, found *load.Latency) error {
	for _, f := range failing {
		if !f.checked {
			return nil
		}
	}
	patience := 200 * time.Millisecond
	if w.silent {
		patience = w.every // a check waits that long
	}
	if err := sleep(ctx, patience); err != nil {
		return err
	}
	at, err := w.running.Removed(ctx)
	if err != nil {
		return err
	}
	for i, f := range failing {
		t, ok := at[i]
		if ok && t.After(f.at) {
			found.Record(t.Sub(f.at))
		}
		if ok { // it was out of service before, if a check of it has failed
			delete(failing, i)
		}
	}
	return nil
}

// recordByTable looks whether those that were checked are in the table.
func (w *detection) recordByTable(ctx context.Context, failing map[int]*failure, found *load.Latency) error {
	var ask []int
	for i, f := range failing {
		if f.checked {
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

// next returns the next line of the process that answers checks.
func (w *detection) next(ctx context.Context) (said, error) {
	select {
	case s, ok := <-w.lines:
		if !ok {
			return said{}, errors.New("the real servers are gone")
		}
		return s, nil
	case <-time.After(w.patience()):
		return said{}, errors.Join(fmt.Errorf("no check for %v", w.patience()), w.running.Err())
	case <-ctx.Done():
		return said{}, ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

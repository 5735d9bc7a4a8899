package loop

import (
	"log/slog"
	"testing"
	"time"
)

// A crank is a worker that turns when the test says so and whose clock the test
// moves.
type crank struct {
	testing.TB
	engine *Engine
	w      *worker
	now    time.Duration
}

func newCrank(t testing.TB, o Options) *crank {
	t.Helper()
	o.Workers, o.Log = 1, slog.New(slog.DiscardHandler)
	k := &crank{TB: t, now: tickLength / 2, engine: New(o)}
	t.Cleanup(func() { _ = k.engine.Close() })
	k.w = k.worker()
	return k
}

func (k *crank) worker() *worker {
	w, err := newWorker(k.engine)
	k.must(err)
	w.clock = func() time.Duration { return k.now }
	w.readClock()
	w.wheel.now = w.tick
	k.Cleanup(w.shut)
	return w
}

func (k *crank) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// until turns until ok is true.
func (k *crank) until(what string, ok func() bool) {
	k.Helper()
	for end := time.Now().Add(time.Minute); !ok(); k.w.turn(1) {
		if time.Now().After(end) {
			k.Fatalf("waited in vain: %s", what)
		}
	}
}

// pass lets time pass, tick by tick.
func (k *crank) pass(d time.Duration) {
	for end := k.now + d; k.now < end; k.w.turn(0) {
		k.now += tickLength
	}
}

func (k *crank) must2(_ int, err error) {
	k.Helper()
	k.must(err)
}

package engine

import (
	"log/slog"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// turnWithin is how soon a worker turns that has nothing to do: it is woken up
// for that, which takes some microseconds.
const turnWithin = time.Second

// Turns returns the age of the latest turn of the worker whose age that is
// greatest, and its number; 0 while there are none. It waits for nobody.
func (e *Engine) Turns() (worker int, age time.Duration) {
	for i, w := range *e.running.Load() {
		if a := e.age(w); a > age {
			worker, age = i, a
		}
	}
	return worker, age
}

func (e *Engine) age(w *Worker) time.Duration {
	return max(0, e.SinceStart()-time.Duration(w.turned.Load()))
}

// Until returns how long it takes to the next whole multiple of a period. Who
// does something at the same moment wakes an idle process up once.
func Until(period time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(period).Add(period).Sub(now)
}

// watch wakes workers that have not turned for a while, and logs those that do not
// turn all the same, until the engine is closed.
func (e *Engine) watch() {
	t := time.NewTimer(Until(turnWithin))
	defer t.Stop()
	stuck := map[*Worker]bool{}
	for {
		select {
		case <-e.closing:
			return
		case <-t.C:
			t.Reset(Until(turnWithin))
		}
		for i, w := range *e.running.Load() {
			age := e.age(w)
			if age >= turnWithin/10 {
				w.mailbox.wake()
			}
			if was := stuck[w]; was != (age >= dataplane.StuckAfter) {
				stuck[w] = !was
				e.reportStuck(i, w, age, was)
			}
		}
	}
}

// reportStuck logs a worker that has stopped turning, or turns again.
func (e *Engine) reportStuck(i int, w *Worker, age time.Duration, again bool) {
	thread := w.thread.Load()
	if again {
		e.log.Say(slog.LevelWarn, "worker of the proxy turns again", "worker", i, "thread", thread)
		return
	}
	e.log.Say(slog.LevelError, "worker of the proxy does not turn: its connections and a share of new ones get no answer",
		"worker", i, "thread", thread, "age", age.Round(time.Millisecond))
}

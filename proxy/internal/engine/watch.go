package engine

import (
	"log/slog"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// iterateWithin is the longest time between two iterations of an idle worker. It is
// woken up for that, which takes some microseconds.
const iterateWithin = time.Second

// LoopAge returns the worker whose latest iteration began the longest time ago, and
// how long ago; 0 while there are no workers. It does not block.
func (e *Engine) LoopAge() (worker int, age time.Duration) {
	for i, w := range *e.running.Load() {
		if a := e.age(w); a > age {
			worker, age = i, a
		}
	}
	return worker, age
}

func (e *Engine) age(w *Worker) time.Duration {
	return max(0, e.SinceStart()-time.Duration(w.iterated.Load()))
}

// Until returns the time to the next whole multiple of a period. Timers that use it
// fire together, and wake an idle process up once.
func Until(period time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(period).Add(period).Sub(now)
}

// watch wakes workers that have been idle for a while, and logs those that do not
// iterate all the same, until the engine is closed.
func (e *Engine) watch() {
	t := time.NewTimer(Until(iterateWithin))
	defer t.Stop()
	stuck := map[*Worker]bool{}
	for {
		select {
		case <-e.closing:
			return
		case <-t.C:
			t.Reset(Until(iterateWithin))
		}
		for i, w := range *e.running.Load() {
			age := e.age(w)
			if age >= iterateWithin/10 {
				w.mailbox.wake()
			}
			if was := stuck[w]; was != (age >= dataplane.StuckAfter) {
				stuck[w] = !was
				e.reportStuck(i, w, age, was)
			}
		}
	}
}

// reportStuck logs that a worker is stuck, or no longer.
func (e *Engine) reportStuck(i int, w *Worker, age time.Duration, again bool) {
	thread := w.thread.Load()
	if again {
		e.log.Say(slog.LevelWarn, "worker of the proxy is no longer stuck", "worker", i, "thread", thread)
		return
	}
	e.log.Say(slog.LevelError, "worker of the proxy is stuck: its connections and a share of new ones get no answer",
		"worker", i, "thread", thread, "age", age.Round(time.Millisecond))
}

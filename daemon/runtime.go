package daemon

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// leaveFIFO moves threads from SCHED_FIFO to SCHED_RR, with the same priority. Go's
// threads wait for each other by sched_yield, above all in the collector. With more
// threads than processors, a thread that yields under SCHED_FIFO can run on for
// ever; under SCHED_RR the other threads of its priority run, too.
func (d *Daemon) leaveFIFO(context.Context) error {
	changed, err := toRoundRobin()
	switch {
	case err != nil:
		d.log.Error("shunt runs under SCHED_FIFO, where Go programs may stop for ever: use CPUSchedulingPolicy=rr, or chrt --rr", "err", err)
	case changed > 0:
		d.log.Warn("SCHED_FIFO has been replaced by SCHED_RR of the same priority: use CPUSchedulingPolicy=rr, or chrt --rr", "threads", changed)
	}
	return nil
}

// toRoundRobin changes all threads of this process and returns how many. New
// threads inherit the policy of the thread that starts them, so it repeats until
// it finds none.
func toRoundRobin() (changed int, err error) {
	for before := -1; before != changed; {
		before = changed
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return changed, err
		}
		for _, t := range threads {
			id, _ := strconv.Atoi(t.Name())
			a, err := unix.SchedGetAttr(id, 0)
			if err != nil || a.Policy != unix.SCHED_FIFO {
				continue // it has ended
			}
			a.Policy = unix.SCHED_RR
			if err := unix.SchedSetAttr(id, a, 0); err != nil {
				return changed, fmt.Errorf("sched_setattr: %w", err)
			}
			changed++
		}
	}
	return changed, nil
}

// gcPercent is by how much the heap may grow, in percent of what is in use, before it
// is collected. With Go's own 100, half of the memory of a daemon would be garbage.
// Plain checks that go well and connections of the proxy leave none; checks over TLS
// and by client libraries do, and pay for two collections where they paid for one.
const gcPercent = 50

// boundGarbage sets gcPercent, unless the environment says otherwise.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// ready passes on whether the director is ready. When it is for the first time, what
// only reading the configuration and the first checks took goes back to the system;
// the runtime would keep most of it.
func (d *Daemon) ready(why string) {
	d.notifier.ready(why)
	if why == "" {
		d.loaded.Do(func() { go debug.FreeOSMemory() })
	}
}

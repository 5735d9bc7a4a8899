package daemon

import (
	"context"
	"fmt"
	"os"
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

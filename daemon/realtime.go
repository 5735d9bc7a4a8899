package daemon

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// leaveFIFO has threads that run under SCHED_FIFO run under SCHED_RR, with the
// priority that they have. Go's threads wait for each other by giving way, in
// the collector above all. With fewer processors than threads that want to run,
// one that gives way under SCHED_FIFO to nobody who may run in its place goes on
// for ever; under SCHED_RR the others of its priority have their turn.
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

// toRoundRobin changes all threads of this process, and says how many. Those
// that begin meanwhile inherit what the one has that begins them, so that it
// looks again until there is none.
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

package daemon

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLeaveFIFO has a thread under SCHED_FIFO, where that is allowed, keep its
// priority under SCHED_RR, and leaves the others alone.
func TestLeaveFIFO(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	own := unix.Gettid()
	want := uint32(unix.SCHED_RR)
	fifo := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 7}
	if err := unix.SchedSetAttr(own, fifo, 0); err != nil {
		t.Logf("no right to SCHED_FIFO: %v", err)
		want = unix.SCHED_NORMAL
	}
	n, err := toRoundRobin()
	if err != nil || n == 0 && want == unix.SCHED_RR {
		t.Errorf("%d threads have been changed: %v", n, err)
	}
	got, err := unix.SchedGetAttr(own, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Policy != want || want == unix.SCHED_RR && got.Priority != 7 {
		t.Errorf("policy %d and priority %d, want policy %d", got.Policy, got.Priority, want)
	}
	if again, err := toRoundRobin(); again != 0 || err != nil {
		t.Errorf("%d threads have been changed once more: %v", again, err)
	}
}

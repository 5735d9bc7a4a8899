package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// freeze stops the threads of the process that wait for events of the proxy,
// until it has ended.
func (s *stopFixture) freeze() {
	s.t.Helper()
	// While it has something to do a worker waits without telling Go's
	// scheduler. Frozen there it would hold up the garbage collector, and so
	// everything.
	time.Sleep(500 * time.Millisecond)
	frozen, failed := make(chan int), make(chan error, 1)
	go func() {
		// The thread that traces another one has to reap it, so that it has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tids, err := stopWaiting(s.cmd.Process.Pid)
		if err != nil {
			failed <- err
			return
		}
		frozen <- len(tids)
		for _, tid := range tids {
			var ws unix.WaitStatus
			for {
				if _, err := unix.Wait4(tid, &ws, unix.WALL, nil); err == unix.EINTR {
					continue
				} else if err != nil || ws.Exited() || ws.Signaled() {
					break
				}
			}
		}
	}()
	select {
	case n := <-frozen:
		if n == 0 {
			s.t.Fatal("no thread waits for events of the proxy")
		}
	case err := <-failed:
		s.t.Fatal(err)
	}
}

// stopWaiting stops the threads that wait in an epoll instance which is not
// that of Go's own, the first one there was.
func stopWaiting(pid int) ([]int, error) {
	waits := map[int]uint64{}
	first := ^uint64(0)
	tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return nil, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", task.Name(), "syscall"))
		words := strings.Fields(string(text))
		if err != nil || len(words) < 2 || words[0] != fmt.Sprint(unix.SYS_EPOLL_PWAIT) {
			continue
		}
		tid, _ := strconv.Atoi(task.Name())
		fd, err := strconv.ParseUint(strings.TrimPrefix(words[1], "0x"), 16, 64)
		if err != nil {
			return nil, err
		}
		waits[tid] = fd
		first = min(first, fd)
	}
	var stopped []int
	for tid, fd := range waits {
		if fd == first {
			continue
		}
		if err := unix.PtraceSeize(tid); err != nil {
			return nil, fmt.Errorf("trace thread %d: %w", tid, err)
		}
		if err := unix.PtraceInterrupt(tid); err != nil {
			return nil, fmt.Errorf("stop thread %d: %w", tid, err)
		}
		stopped = append(stopped, tid)
	}
	return stopped, nil
}

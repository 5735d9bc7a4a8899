package load

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A handler has descriptors in a loop.
type handler interface {
	// ready handles what epoll says of a slot. It may come for a slot that has
	// meanwhile been closed or taken anew, and is a hint to try and no more.
	ready(slot int32, events uint32)
	// tick is called every turn, and returns when it wants to be called at the
	// latest.
	tick(now int64) int64
}

// never is later than every time of a loop.
const never = int64(1) << 62

// A loop waits for descriptors and dispatches their events to handlers. All of
// it runs on one thread.
type loop struct {
	epoll    int32
	base     time.Time
	handlers []handler
	events   [256]unix.EpollEvent
	// retry holds slots that used up their share of a turn: epoll, which is
	// edge-triggered, does not report them again. spare is the other one.
	retry, spare []unix.EpollEvent
	stopped      bool
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	return &loop{epoll: int32(fd), base: time.Now()}, nil
}

// now is the time since the loop began, in nanoseconds.
func (l *loop) now() int64 { return int64(time.Since(l.base)) }

// wall converts a time of the loop into wall-clock time.
func (l *loop) wall(at int64) time.Time { return l.base.Add(time.Duration(at)).Round(0) }

// register adds a handler and returns its number.
func (l *loop) register(h handler) int32 {
	l.handlers = append(l.handlers, h)
	return int32(len(l.handlers) - 1)
}

// watch makes the loop call ready with slot when fd becomes readable, writable or
// ends.
func (l *loop) watch(fd, owner, slot int32) unix.Errno {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: slot, Pad: owner}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epoll), unix.EPOLL_CTL_ADD, uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// again calls ready in the next turn.
func (l *loop) again(owner, slot int32, events uint32) {
	l.retry = append(l.retry, unix.EpollEvent{Events: events, Fd: slot, Pad: owner})
}

// run runs the loop until stopped is set.
func (l *loop) run() error {
	for !l.stopped {
		if err := l.turn(); err != nil {
			return err
		}
	}
	return nil
}

// turn calls tick of every handler, waits for events and dispatches them.
func (l *loop) turn() error {
	wake, now := never, l.now()
	for _, o := range l.handlers {
		wake = min(wake, o.tick(now))
	}
	if l.stopped {
		return nil
	}
	if len(l.retry) > 0 {
		wake = 0
	}
	n, errno := l.wait(wake)
	if errno != 0 && errno != unix.EINTR {
		return fmt.Errorf("wait for sockets: %w", errno)
	}
	l.dispatch(l.events[:n])
	due := l.retry
	l.retry, l.spare = l.spare[:0], due
	l.dispatch(due)
	return nil
}

func (l *loop) dispatch(events []unix.EpollEvent) {
	for i := range events {
		l.handlers[events[i].Pad].ready(events[i].Fd, events[i].Events)
	}
}

// wait is epoll_pwait2, whose time is in nanoseconds. It tells the Go scheduler
// only if it may take long.
func (l *loop) wait(until int64) (int, unix.Errno) {
	wait := max(0, min(until-l.now(), int64(time.Second)))
	ts := unix.NsecToTimespec(wait)
	call := unix.Syscall6
	if wait == 0 {
		call = unix.RawSyscall6
	}
	n, _, errno := call(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events)),
		uintptr(len(l.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (l *loop) close() { closeDescriptor(l.epoll) }

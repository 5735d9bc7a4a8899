package engine

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is the number of events received at a time.
const batch = 256

// wokenUp is the identifier of the mailbox's events.
const wokenUp = -1

// A poller is an epoll instance with the events it has brought.
type poller struct {
	fd     int32
	events [batch]unix.EpollEvent
	change unix.EpollEvent // handed to the kernel
	pause  unix.Timespec   // likewise
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd: int32(fd)}, nil
}

// A lively worker waits for linger milliseconds without telling the Go scheduler,
// because the next event is likely to come sooner. Telling it costs more than a
// request does: the scheduler looks for other work, sleeps and has to be woken
// up, all on threads of its own. Lingering in vain costs much more still, because
// the scheduler's monitor checks the worker every few microseconds.
const linger = 5

// livelyAfter is how many iterations in a row have to begin within linger.
const livelyAfter = 16

// wait returns the events that there are, after limit milliseconds at most; -1 is
// no limit.
func (p *poller) wait(limit int, lively bool) []unix.EpollEvent {
	brief := 0
	if lively {
		brief = linger
	}
	if limit >= 0 {
		brief = min(limit, brief)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events)), batch, uintptr(brief), 0, 0)
	if n == 0 && brief != limit {
		n, _, e = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.events)), batch, uintptr(limit), 0, 0)
	}
	if e != 0 {
		return nil // interrupted
	}
	return p.events[:n]
}

// waitBriefly returns the events that there are, after a pause at most that is too
// short to tell the Go scheduler of.
func (p *poller) waitBriefly(pause time.Duration) []unix.EpollEvent {
	p.pause = unix.NsecToTimespec(int64(pause))
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events)), batch, uintptr(unsafe.Pointer(&p.pause)), 0, 0)
	switch e {
	case 0:
		return p.events[:n]
	case unix.ENOSYS: // before Linux 5.11
		return p.wait(1, true)
	}
	return nil // interrupted
}

func (p *poller) control(op int, fd int32, events uint32, data, more int32) unix.Errno {
	p.change = unix.EpollEvent{Events: events, Fd: data, Pad: more}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&p.change)), 0, 0)
	return e
}

func (p *poller) forget(fd int32) { p.control(unix.EPOLL_CTL_DEL, fd, 0, 0, 0) }

func (p *poller) close() { CloseFD(p.fd) }

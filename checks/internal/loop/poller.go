package loop

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many events are taken at a time.
const batch = 256

// wokenUp is the index in an event of the poller's own.
const wokenUp = -1

// A poller is an epoll instance with the events it has brought.
type poller struct {
	fd     int32
	waker  int32 // an eventfd
	woken  atomic.Bool
	events [batch]unix.EpollEvent
	change unix.EpollEvent // handed to the kernel
	count  [8]byte         // likewise
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	waker, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(fd))
	}
	p := &poller{fd: int32(fd), waker: int32(waker)}
	if e := p.add(p.waker, unix.EPOLLIN, wokenUp, 0); e != 0 {
		p.close()
		return nil, os.NewSyscallError("epoll_ctl", e)
	}
	return p, nil
}

// wait returns the events there are, after so much time at most; less than 0 is
// no limit. It tells the Go scheduler that it blocks.
func (p *poller) wait(limit time.Duration) []unix.EpollEvent {
	ms := -1
	if limit >= 0 {
		ms = int((limit + time.Millisecond - 1) / time.Millisecond)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batch, 0, 0, 0)
	if n == 0 && ms != 0 {
		n, _, e = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batch, uintptr(ms), 0, 0)
	}
	if e != 0 {
		return nil // interrupted
	}
	return p.events[:n]
}

// wake ends a wait, or the next one. It may be called from any goroutine.
func (p *poller) wake() {
	if p.woken.CompareAndSwap(false, true) {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(int(p.waker), one[:])
	}
}

// awake takes note of a wake. What came before it is seen after.
func (p *poller) awake() {
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(p.waker), uintptr(unsafe.Pointer(&p.count)), 8)
	p.woken.Store(false)
}

func (p *poller) add(fd int32, events uint32, index, generation int32) unix.Errno {
	return p.control(unix.EPOLL_CTL_ADD, fd, unix.EpollEvent{Events: events, Fd: index, Pad: generation})
}

func (p *poller) forget(fd int32) { _ = p.control(unix.EPOLL_CTL_DEL, fd, unix.EpollEvent{}) }

func (p *poller) control(op int, fd int32, change unix.EpollEvent) unix.Errno {
	p.change = change
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&p.change)), 0, 0)
	return e
}

func (p *poller) close() {
	closeFD(p.waker)
	closeFD(p.fd)
}

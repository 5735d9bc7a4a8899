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
	fd   int32
	file *os.File // of fd
	conn interface {
		Read(func(fd uintptr) bool) error
	} // of file, as the runtime waits for it
	taken  func(uintptr) bool
	n      int   // of events
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
	_ = unix.SetNonblock(fd, true) // has the runtime wait for it
	waker, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(fd))
	}
	p := &poller{fd: int32(fd), waker: int32(waker), file: os.NewFile(uintptr(fd), "epoll")}
	p.taken = p.take
	if p.conn, err = p.file.SyscallConn(); err != nil {
		p.close()
		return nil, err
	}
	if e := p.add(p.waker, unix.EPOLLIN, wokenUp, 0); e != 0 {
		p.close()
		return nil, os.NewSyscallError("epoll_ctl", e)
	}
	return p, nil
}

// wait returns the events there are, after so much time at most; less than 0 is
// no limit. The goroutine waits as those of package net do, in the runtime's own
// poller: a thread that blocked in epoll_wait would have another, sysmon, look
// after it every 20 microseconds and more, which costs more than the checks.
func (p *poller) wait(limit time.Duration) []unix.EpollEvent {
	if p.take(0) || limit == 0 {
		return p.events[:p.n]
	}
	var until time.Time
	if limit > 0 {
		until = time.Now().Add(limit)
	}
	_ = p.file.SetReadDeadline(until)
	_ = p.conn.Read(p.taken)
	return p.events[:p.n]
}

// take takes the events there are, and reports whether there are any.
func (p *poller) take(uintptr) bool {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batch, 0, 0, 0)
	p.n = int(n)
	if e != 0 {
		p.n = 0
	}
	return p.n > 0
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
	_ = p.file.Close()
}

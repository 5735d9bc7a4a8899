package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settleTime is how long a reset waits for the other side to take more of
	// what has been sent to it, settleStep how often it looks.
	settleTime = time.Second
	settleStep = 5 * time.Millisecond
)

// reset ends a connection with RST instead of FIN.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// settle waits until c's other side has what was sent to it, or takes no more,
// or c is closed: a reset would take it away, and without a director between
// them it would have arrived.
func settle(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	left := 0 // not acknowledged yet
	for patience := settleTime; patience > 0; patience -= settleStep {
		before := left
		err := raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if err != nil || left == 0 {
			return
		}
		if left < before {
			patience = settleTime
		}
		time.Sleep(settleStep)
	}
}

// broken reports whether the connection has been reset or timed out. hup says
// that one which is merely shut down both ways counts too.
func broken(fd uintptr, hup bool) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(p, 0); err != nil {
		return false
	}
	return p[0].Revents&unix.POLLERR != 0 || hup && p[0].Revents&unix.POLLHUP != 0
}

// wasReset reports whether the end of src was a reset after all: a failed
// write of the other direction takes the error away, and what is left looks
// like an end in good order. Until that direction has said FIN itself,
// nothing but a reset shuts both ways.
func (p *pump) wasReset() bool {
	is := false
	err := p.raw.Control(func(fd uintptr) { is = broken(fd, !p.back.finished.Load()) })
	return err == nil && is
}

// awaitReset returns true when src, which has ended, is reset, and false when
// it is closed here.
func (p *pump) awaitReset() bool {
	return p.raw.Read(func(fd uintptr) bool { return broken(fd, !p.back.finished.Load()) }) == nil
}

// watchAfter is how long connecting to real servers takes until it becomes
// worth while to look whether the client is still there.
const watchAfter = 200 * time.Millisecond

// onReset calls gone if c is reset before stop is called. It reads nothing.
func onReset(c *net.TCPConn, gone func()) (stop func()) {
	done := make(chan struct{})
	t := time.AfterFunc(watchAfter, func() {
		defer close(done)
		raw, err := c.SyscallConn()
		if err == nil && raw.Read(func(fd uintptr) bool { return broken(fd, true) }) == nil {
			gone()
		}
	})
	return func() {
		if t.Stop() {
			return
		}
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.SetReadDeadline(time.Time{})
	}
}

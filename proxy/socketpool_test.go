package proxy_test

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A socketPool is many sockets that one goroutine looks after. They read nothing;
// if they are greedy they send all that is taken.
type socketPool struct {
	t      testing.TB
	epoll  int
	greedy bool
	over   atomic.Bool
	done   chan struct{}
	sent   atomic.Int64
	front  atomic.Int32 // accepts, none below 0

	mu  sync.Mutex
	fds []int
}

func newSocketPool(t testing.TB, greedy bool) *socketPool {
	t.Helper()
	w := &socketPool{t: t, greedy: greedy, done: make(chan struct{})}
	w.epoll = get[int](t)(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	w.front.Store(-1)
	go w.look()
	t.Cleanup(w.close)
	return w
}

// listen makes the sockets a real server.
func (w *socketPool) listen() netip.AddrPort {
	w.t.Helper()
	front := get[int](w.t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
	w.must(unix.Bind(front, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	w.must(unix.Listen(front, 4096))
	sa := get[unix.Sockaddr](w.t)(unix.Getsockname(front)).(*unix.SockaddrInet4)
	w.front.Store(int32(front))
	w.must(unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, front, &unix.EpollEvent{Fd: int32(front), Events: unix.EPOLLIN}))
	return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
}

// dial adds n clients of vip, less those that are turned away at once.
func (w *socketPool) dial(vip netip.AddrPort, n int) {
	w.t.Helper()
	for range n {
		fd := get[int](w.t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		err := unix.Connect(fd, &unix.SockaddrInet4{Addr: vip.Addr().As4(), Port: int(vip.Port())})
		if errors.Is(err, unix.ECONNRESET) {
			_ = unix.Close(fd)
			continue
		}
		w.must(errors.Join(err, unix.SetNonblock(fd, true)))
		w.add(fd)
	}
}

func (w *socketPool) add(fd int) {
	w.mu.Lock()
	w.fds = append(w.fds, fd)
	w.mu.Unlock()
	if w.greedy {
		w.must(unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLOUT | unix.EPOLLET&0xffffffff}))
	}
}

func (w *socketPool) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// size is how many there are.
func (w *socketPool) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.fds)
}

func (w *socketPool) look() {
	defer close(w.done)
	events, zeros := make([]unix.EpollEvent, 256), make([]byte, 64<<10)
	for !w.over.Load() {
		n, _ := unix.EpollWait(w.epoll, events, 20)
		for i := range max(n, 0) {
			if fd := int(events[i].Fd); fd == int(w.front.Load()) {
				w.accept(fd)
			} else {
				w.send(fd, zeros)
			}
		}
	}
}

func (w *socketPool) accept(front int) {
	for {
		fd, _, err := unix.Accept4(front, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		w.add(fd)
	}
}

func (w *socketPool) send(fd int, zeros []byte) {
	for {
		n, err := unix.SendmsgN(fd, zeros, nil, nil, unix.MSG_NOSIGNAL)
		if err != nil {
			return
		}
		w.sent.Add(int64(n))
	}
}

// scatter closes all sockets but the one that accepts.
func (w *socketPool) scatter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fd := range w.fds {
		_ = unix.Close(fd)
	}
	w.fds = nil
}

func (w *socketPool) close() {
	if w.over.Swap(true) {
		return
	}
	<-w.done
	w.scatter()
	if front := int(w.front.Load()); front >= 0 {
		_ = unix.Close(front)
	}
	_ = unix.Close(w.epoll)
}

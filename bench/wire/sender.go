package wire

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// batch is how many packets one system call sends at most.
const batch = 64

// A Sender sends crafted packets over a link. One goroutine uses it at a time.
type Sender struct {
	fd     int
	slots  []*template
	iovecs []unix.Iovec
	heads  []unix.Mmsghdr
	next   uint64 // number of the next packet
}

// NewSender opens a socket on a link and looks up where its packets go. Close
// has to be called. Answers come back to the namespace's link if
// somebody routes the sources there; the kernel itself ignores it, and never
// resets a connection, because none of the addresses is its own.
func NewSender(ctx context.Context, in *netlab.Namespace, link string, t Traffic) (*Sender, error) {
	own, err := MAC(in, link)
	if err != nil {
		return nil, err
	}
	hop, err := NextHop(ctx, in, t.To.Addr())
	if err != nil {
		return nil, err
	}
	c, err := newTemplate(t, own, hop)
	if err != nil {
		return nil, err
	}
	s := &Sender{next: t.First}
	if err := inside(in, func() error { return s.open(link) }); err != nil {
		return nil, fmt.Errorf("send over %s: %w", Point{In: in, Link: link}, err)
	}
	s.slots = make([]*template, batch)
	s.iovecs, s.heads = make([]unix.Iovec, batch), make([]unix.Mmsghdr, batch)
	for i := range s.slots {
		s.slots[i] = c.clone()
		s.iovecs[i].Base = &s.slots[i].frame[0]
		s.iovecs[i].SetLen(len(c.frame))
		s.heads[i].Hdr.Iov = &s.iovecs[i]
		s.heads[i].Hdr.SetIovlen(1)
	}
	return s, nil
}

func (s *Sender) open(link string) error {
	l, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	// Protocol 0: nothing is received.
	s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: l.Index}); err != nil {
		_ = unix.Close(s.fd)
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// Send sends the next n packets, rate of them a second or, where that is 0, as
// many as the link takes. It returns how many were sent, which is less than n
// when ctx is done or the link fails. A later call goes on with the numbers.
func (s *Sender) Send(ctx context.Context, n uint64, rate float64) (sent uint64, err error) {
	began := time.Now()
	for sent < n && ctx.Err() == nil {
		due := n - sent
		if rate > 0 {
			allowed := uint64(time.Since(began).Seconds()*rate) + 1
			if allowed <= sent {
				pause(ctx, time.Duration(float64(sent)/rate*1e9)-time.Since(began))
				continue
			}
			due = min(due, allowed-sent)
		}
		k, err := s.send(int(min(due, batch)))
		sent += uint64(k)
		if err != nil {
			return sent, err
		}
	}
	if sent < n {
		return sent, ctx.Err()
	}
	return sent, nil
}

// send sends the next n packets, at most batch, or fewer.
func (s *Sender) send(n int) (int, error) {
	for i := range n {
		s.slots[i].become(s.next + uint64(i))
	}
	k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.heads[0])), uintptr(n), 0, 0, 0)
	runtime.KeepAlive(s)
	switch errno {
	case 0:
		s.next += uint64(k)
		return int(k), nil
	case unix.EINTR, unix.EAGAIN, unix.ENOBUFS: // the link's queue is full
		runtime.Gosched()
		return 0, nil
	}
	return 0, fmt.Errorf("send packets: %w", errno)
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	// Below this a timer takes longer than asked.
	t := time.NewTimer(max(d, 50*time.Microsecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

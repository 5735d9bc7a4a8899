package icmp

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// sendPause is how long a full send buffer is left alone.
const sendPause = 5 * time.Millisecond

// send writes one request. The kernel keeps those to hosts whose hardware
// address nobody tells for seconds, and a few hundred of them fill the send
// buffer: the dead must not keep the living from being asked.
func (s *socket) send(ctx context.Context, dst netip.Addr, body *icmp.Echo) error {
	packet, err := (&icmp.Message{Type: s.fam.request, Body: body}).Marshal(nil)
	if err != nil {
		return err
	}
	to, err := sockaddr(dst)
	if err != nil {
		return err
	}
	for {
		err := s.write(packet, to)
		if !full(err) {
			return sending(err)
		}
		if !s.datagram {
			return sending(s.fam.sendAside(packet, to))
		}
		select {
		case <-time.After(sendPause):
		case <-ctx.Done():
			return &failure.Cause{Err: ctx.Err()}
		}
	}
}

func (s *socket) write(packet []byte, to unix.Sockaddr) error {
	var err error
	used := s.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, to)
		return true
	})
	return cmp.Or(used, err)
}

// sendAside writes one packet from a socket, and so a buffer, of its own. The
// answer comes to every raw socket.
func (f *family) sendAside(packet []byte, to unix.Sockaddr) error {
	fd, err := unix.Socket(f.domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, f.protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, packet, 0, to)
}

func full(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) }

func sending(err error) error {
	if err == nil {
		return nil
	}
	return &failure.Cause{Err: err, When: "while sending"}
}

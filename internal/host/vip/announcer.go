package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/neighbor"
)

// pauses are the times before each announcement of an address: three a second
// apart as in RFC 4861 section 7.2.6, and two more for switches that forward
// nothing on a port for a while after it has come up.
var pauses = [...]time.Duration{0, time.Second, time.Second, 3 * time.Second, 10 * time.Second}

// A sender announces addresses. Except in tests it is an announcer.
type sender interface {
	announce(index int, mac net.HardwareAddr, addr netip.Addr) error
	close() error
}

// An announcer sends to all neighbours on a link.
type announcer struct{ fd int }

// newAnnouncer opens a packet socket, which needs CAP_NET_RAW. The socket belongs
// to the network namespace of the calling thread.
func newAnnouncer() (*announcer, error) {
	// Protocol 0 receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("open a packet socket: %w (it needs CAP_NET_RAW)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	return &announcer{fd}, nil
}

// announce tells the neighbours on the link with that index, once, that addr is
// at mac.
func (a *announcer) announce(index int, mac net.HardwareAddr, addr netip.Addr) error {
	var errs []error
	for _, f := range announcement(addr, mac) {
		to := &unix.SockaddrLinklayer{Ifindex: index, Protocol: neighbor.NetworkOrder(f.protocol), Halen: uint8(len(f.to))}
		copy(to.Addr[:], f.to)
		errs = append(errs, unix.Sendto(a.fd, f.payload, 0, to))
	}
	return errors.Join(errs...)
}

func (a *announcer) close() error { return unix.Close(a.fd) }

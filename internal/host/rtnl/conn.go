// Package rtnl makes netlink requests to the kernel's networking that the library
// lacks or gets wrong, and repeats those that the kernel interrupts. It works in
// the network namespace of the calling thread.
package rtnl

import (
	"errors"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Timeout is the time limit for an answer of the kernel, which comes at once.
const Timeout = 3 * time.Second

// A Conn is a netlink socket. One goroutine may use it at a time.
type Conn struct{ socket *nl.SocketHandle }

// Dial opens a socket in the network namespace of the calling thread. Other threads
// may use it later.
func Dial() (*Conn, error) {
	s, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	wait := unix.NsecToTimeval(Timeout.Nanoseconds())
	_ = s.SetReceiveTimeout(&wait)
	return &Conn{&nl.SocketHandle{Socket: s}}, nil
}

// Close closes the socket.
func (c *Conn) Close() { c.socket.Socket.Close() }

func (c *Conn) request(kind, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: c.socket}
	for _, d := range data {
		req.AddData(d)
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}

// dump returns a list that the kernel keeps.
func (c *Conn) dump(kind int, data nl.NetlinkRequestData) ([][]byte, error) {
	return Settled(func() ([][]byte, error) { return c.request(kind, unix.NLM_F_DUMP, data) })
}

// Settled returns the result of list, which it calls again if the list changed
// while the kernel sent it.
func Settled[T any](list func() ([]T, error)) (all []T, err error) {
	for range 10 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

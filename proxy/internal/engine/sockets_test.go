package engine

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listening is a kind of sockets that listen.
var listening = &Kind{
	Open: func(family uint16) (int32, unix.Errno) {
		fd, err := unix.Socket(int(family), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		var e unix.Errno
		_ = errors.As(err, &e)
		return int32(fd), e
	},
	Claim: func(fd int32) error { return unix.Listen(int(fd), 10) },
	List:  "tcp", State: "0A", First: true,
}

// Sockets that have been closed with their engine are not closed again: their
// descriptors have other owners by now.
func TestCloseAfterEngine(t *testing.T) {
	e := New(Options{Workers: 1, Log: slog.New(slog.DiscardHandler)})
	s, err := e.Open(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), Opening{
		Kind:    listening,
		Prepare: func(int32) {},
		Open:    func(*Worker, int32) error { return nil },
		Close:   func(_ *Worker, fd int32) { CloseFD(fd) },
	})
	if err != nil {
		t.Fatal(err)
	}
	CloseFD(s.fds[0]) // as a handler does that is shut
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// As if another socket had the number now.
	other, err := Bound(netip.MustParseAddrPort("127.0.0.1:0"), listening, false)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseFD(other)
	name := new(Sockaddr)
	NameOf(other, name)
	s.fds[0] = other
	_ = s.Close(t.Context())
	c, err := net.DialTimeout("tcp", name.Addr().String(), time.Minute)
	if err != nil {
		t.Fatalf("another socket does not answer any more: %v", err)
	}
	_ = c.Close()
}

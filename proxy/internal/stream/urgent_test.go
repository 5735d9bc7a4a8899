package stream

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// sendUrgent sends text, its last byte urgent, once there is room for it.
func sendUrgent(t testing.TB, c *net.TCPConn, text string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), []byte(text), unix.MSG_OOB, nil)
		return !errors.Is(sent, unix.EAGAIN)
	})
	if err := errors.Join(err, sent); err != nil {
		t.Errorf("send an urgent byte: %v", err)
	}
}

// A stream that goes on by copying with something in its pipe, for a side that
// does not read, gives the pipe up before it stashes.
func TestUrgentByteInStreamNobodyReads(t *testing.T) {
	const size = 8 << 20
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	_ = unix.SetsockoptInt(int(r.only().sides[server].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
	_ = c.SetWriteBuffer(1 << 20)
	go func() {
		_, _ = c.Write(make([]byte, size))
		sendUrgent(t, c, "!")
		_, _ = c.Write(make([]byte, size))
		_ = c.CloseWrite()
	}()
	y := func() *way { return &r.only().ways[client] }
	r.Until("the pipe holds something", func() bool {
		y().full = spliceAfter
		return y().held > 0 && y().pipe.there()
	})
	y().copy = true // the event of the urgent byte can come as early as this
	go func() { _ = s.CloseWrite() }()
	if got, err := r.receive(s); len(got) != 2*size+1 || bytes.IndexByte(got, '!') != size || err != nil {
		t.Errorf("%d bytes and %v arrived, want all of it in its place", len(got), err)
	}
	r.Until("the connection is over", r.gone)
	if n := r.h.relay.stashes.used(); n != 0 {
		t.Errorf("%d stashes were not given back", n)
	}
}

// The server's urgent byte keeps its place too.
func TestUrgentByteOfServer(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	sendUrgent(t, s, "ab!")
	_, err := s.Write([]byte("cd"))
	r.Must(err)
	r.Must(s.CloseWrite())
	_ = c.CloseWrite()
	if got, err := r.receive(c); string(got) != "ab!cd" || err != nil {
		t.Errorf("%q and %v arrived, want all of it in its place", got, err)
	}
}

package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// ended returns a server that reports how its connections end.
func ended(t *testing.T, before func(*net.TCPConn)) (dataplane.VirtualService, <-chan error) {
	end := make(chan error, 1)
	return tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		before(c)
		_, err := io.Copy(io.Discard, c)
		end <- err
	})), end
}

func TestClientResets(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v, end := ended(t, func(c *net.TCPConn) { _, _ = io.WriteString(c, "x") })
	apply(t, d, v)
	c := dial(t, v)
	_, _ = io.ReadFull(c, make([]byte, 1))
	_ = c.SetLinger(0)
	_ = c.Close()
	if err := <-end; !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the server's connection ended with %v, want a reset", err)
	}
}

// A client that has said its last and is then gone does not leave its real
// server at work.
func TestClientResetsAfterItsEnd(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	gone, reset := make(chan struct{}), make(chan error, 1)
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = io.Copy(io.Discard, c)
		close(gone)
		for t.Context().Err() == nil {
			// Nothing is written, which would reset by itself.
			if err := socketError(c); err != nil {
				reset <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
	}))
	apply(t, d, v)
	c := dial(t, v)
	_ = c.CloseWrite()
	<-gone
	_ = c.SetLinger(0)
	_ = c.Close()
	select {
	case err := <-reset:
		if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the server's connection has error %v, want a reset", err)
		}
	case <-time.After(patience):
		t.Error("the server is left at work")
	}
}

func socketError(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var e int
	if err := raw.Control(func(fd uintptr) { e, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) }); err != nil {
		return err
	}
	if e != 0 {
		return unix.Errno(e)
	}
	return nil
}

func TestServerResets(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.SetLinger(0)
	}))
	apply(t, d, v)
	c := dial(t, v)
	fmt.Fprint(c, "x")
	wantReset(t, c)
}

// A reset in the middle of a request is never mistaken for an end in good
// order, whichever direction finds it first.
func TestServerResetsDuringRequest(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1<<20))
		_ = c.SetLinger(0)
	}))
	apply(t, d, v)
	for range 50 {
		c := dial(t, v)
		written := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, 8<<20))
			written <- err
		}()
		// The kernel tells of a reset once: the reader or the writer. After
		// an end in good order it would tell the writer EPIPE.
		_, err := io.Copy(io.Discard, c)
		if werr := <-written; !errors.Is(err, unix.ECONNRESET) && !errors.Is(werr, unix.ECONNRESET) {
			t.Fatalf("reading ended with %v and writing with %v, want a reset", err, werr)
		}
		_ = c.Close()
	}
}

// TestServerResetsAfterData: the data that a server sends before it resets arrive,
// also at a slow client.
func TestServerResetsAfterData(t *testing.T) {
	const size = 300 << 10
	over := make(chan struct{})
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = c.Write(make([]byte, size))
		wait.Until(t, "all of it is acknowledged", func() bool { return unsent(c) == 0 })
		_ = c.SetLinger(0)
		_ = c.Close()
		close(over)
	}))
	apply(t, d, v)
	c := dial(t, v)
	_ = c.SetReadBuffer(32 << 10)
	<-over
	n, err := io.Copy(io.Discard, c)
	if n != size || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%d of %d bytes arrived before %v", n, size, err)
	}
}

func unsent(c *net.TCPConn) int {
	n := -1
	raw, err := c.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	return n
}

// A server that answers early and closes resets the rest of the request; the
// answer reaches the client all the same.
func TestServerAnswersEarly(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1000))
		_, _ = c.Write(bytes.Repeat([]byte("too large "), 1000))
	}))
	apply(t, d, v)
	for range 20 {
		c := dial(t, v)
		go func() { _, _ = c.Write(make([]byte, 8<<20)) }()
		answer := make([]byte, 10_000)
		if n, err := io.ReadFull(c, answer); err != nil {
			t.Fatalf("%d bytes of the answer arrived: %v", n, err)
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	wait.Until(t, "no connection is left", func() bool { return active(t, d) == 0 })
}

package proxy_test

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A stream goes through the runtime's pipes, which nothing but splice makes,
// and what is counted moves while it does.
func TestStreamIsSpliced(t *testing.T) {
	const size = 64 << 20
	sum := make(chan [32]byte, 1)
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		h := sha256.New()
		_, _ = io.CopyN(io.MultiWriter(h, c), rand.NewChaCha8([32]byte{1}), size)
		sum <- [32]byte(h.Sum(nil))
	}))
	apply(t, d, v)
	runtime.GC() // pipes of other tests
	runtime.GC()
	pipes := openFiles(t, "pipe:")
	c := dial(t, v)
	h := sha256.New()
	if _, err := io.CopyN(h, c, size/2); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, "pipe:"); n <= pipes {
		t.Error("no pipe in the middle of a stream: it is not spliced")
	}
	if n := status(t, d).Counters.OutBytes; n < size/4 {
		t.Errorf("%d bytes counted with %d received", n, size/2)
	}
	if _, err := io.Copy(h, c); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if [32]byte(h.Sum(nil)) != <-sum {
		t.Error("what arrived is not what was sent")
	}
	wait.Until(t, "the connection is over", func() bool { return active(t, d) == 0 })
	if n := status(t, d).Counters.OutBytes; n != size {
		t.Errorf("%d bytes counted, want %d", n, size)
	}
}

// Silent connections hold their two sockets and nothing else, also after they
// have been busy.
func TestIdleConnectionsHoldNoPipes(t *testing.T) {
	const clients = 50
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("hello"))) // an echo by io.Copy has pipes of its own
	apply(t, d, v)
	pipes := openFiles(t, "pipe:")
	for range clients {
		c := dial(t, v)
		_, _ = io.WriteString(c, "hello")
		_, _ = io.ReadFull(c, make([]byte, 5))
	}
	if n := openFiles(t, "pipe:"); n > pipes {
		t.Errorf("%d pipes for %d silent connections", n-pipes, clients)
	}
}

// Small and large writes follow each other in every order.
func TestMixedSizes(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	c := dial(t, v)
	for i, size := range []int{1, 1 << 20, 3, 70_000, 65536, 131072, 1, 3 << 20, 17 << 10, 15 << 10, 2} {
		want := strings.Repeat(string(rune('a'+i)), size)
		go func() { _, _ = io.WriteString(c, want) }()
		got := make([]byte, size)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("write number %d of %d bytes does not come back: %v", i, size, err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	d := newPlane(b, proxy.Options{})
	v := tcpService(b, tcpServer(b, "127.0.0.1", func(c *net.TCPConn) { _ = c.SetDeadline(time.Time{}); echo(c) }))
	apply(b, d, v)
	c := dial(b, v)
	_ = c.SetDeadline(time.Time{})
	request := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Write(request)
		if _, err := io.ReadFull(c, request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConnect(b *testing.B) {
	d := newPlane(b, proxy.Options{})
	v := tcpService(b, tcpServer(b, "127.0.0.1", func(c *net.TCPConn) { _, _ = c.Write([]byte("x")) }))
	apply(b, d, v)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", v.ID.Addr.String())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
}

func BenchmarkStream(b *testing.B) {
	const piece = 1 << 20
	d := newPlane(b, proxy.Options{})
	v := tcpService(b, tcpServer(b, "127.0.0.1", func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Time{})
		buf := make([]byte, 256<<10)
		for {
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}))
	apply(b, d, v)
	c := dial(b, v)
	_ = c.SetDeadline(time.Time{})
	buf := make([]byte, piece)
	b.SetBytes(piece)
	for b.Loop() {
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

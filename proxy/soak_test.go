package proxy_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

var soak = flag.Duration("soak", 2*time.Second, "how long TestSoak lasts")

// TestSoak: clients of every kind come and go, most of them several times in a
// tick, and so do real servers and a second service. What a client is owed it
// gets, and in the end nothing is left.
func TestSoak(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", answer), tcpServer(t, "127.0.0.1", answer), dead(t))
	apply(t, d, v)
	wantServed(t, v.ID.Addr)
	sockets, pipes, goroutines := openFiles(t, "socket:"), openFiles(t, "pipe:"), runtime.NumGoroutine()

	var over atomic.Bool
	var busy sync.WaitGroup
	var exchanges atomic.Int64
	for _, exchangeAs := range []func(testing.TB, netip.AddrPort){wantServed, wantServed, wantStreamed, goAway} {
		busy.Go(func() {
			for !over.Load() && !t.Failed() {
				exchangeAs(t, v.ID.Addr)
				exchanges.Add(1)
			}
		})
	}
	busy.Go(func() { reload(t, d, v, &over) })
	time.Sleep(*soak)
	over.Store(true)
	busy.Wait()

	apply(t, d, v)
	wait.Until(t, "no connection is left", func() bool { return active(t, d) == 0 })
	wait.Until(t, "sockets and goroutines are those of before", func() bool {
		return openFiles(t, "socket:") <= sockets && runtime.NumGoroutine() <= goroutines
	})
	// Sixteen of each worker are kept.
	if n := openFiles(t, "pipe:") - pipes; n > 2*16*runtime.GOMAXPROCS(0) {
		t.Errorf("%d ends of pipes are open", n)
	}
	t.Log(exchanges.Load(), "exchanges,", d.Writes(), "changes")
}

// reload changes everything that can be changed without a client noticing.
func reload(t *testing.T, d *proxy.Dataplane, v dataplane.VirtualService, over *atomic.Bool) {
	second := tcpService(t, v.RealServers[0].Addr)
	for i := 0; !over.Load(); i++ {
		w := v.Clone()
		w.RealServers[i%2].Weight = i % 3
		if i%2 == 0 {
			w.RealServers = w.RealServers[:2]
		}
		w.IdleTimeout = time.Duration(30+i%30) * time.Second
		err := errors.Join(d.Apply(t.Context(), w), d.Apply(t.Context(), second), d.Remove(t.Context(), second.ID))
		if err != nil {
			t.Errorf("change number %d: %v", i, err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// answer sends as many bytes as it is asked for, with the number before the
// first newline.
func answer(c *net.TCPConn) {
	var n int64
	if _, err := fmt.Fscanln(c, &n); err == nil {
		_, _ = io.CopyN(c, rand.NewChaCha8([32]byte{}), n)
	}
}

func wantServed(t testing.TB, vip netip.AddrPort)   { wantBytes(t, vip, 100) }
func wantStreamed(t testing.TB, vip netip.AddrPort) { wantBytes(t, vip, 4<<20) }

func wantBytes(t testing.TB, vip netip.AddrPort, n int) {
	c := visitor(t, vip)
	if c == nil {
		return
	}
	defer c.Close()
	fmt.Fprintln(c, n)
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	want := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(want)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("asked for %d bytes, got %d and %v", n, len(got), err)
	}
}

// goAway resets in the middle of a stream.
func goAway(t testing.TB, vip netip.AddrPort) {
	c := visitor(t, vip)
	if c == nil {
		return
	}
	fmt.Fprintln(c, 64<<20)
	_, _ = io.CopyN(io.Discard, c, rand.Int64N(1<<20))
	_ = c.SetLinger(0)
	_ = c.Close()
}

func visitor(t testing.TB, vip netip.AddrPort) *net.TCPConn {
	c, err := net.DialTimeout("tcp", vip.String(), patience)
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		time.Sleep(time.Millisecond) // all ports wait for their last packets
		return nil
	case err != nil:
		t.Error(err)
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	return c.(*net.TCPConn)
}

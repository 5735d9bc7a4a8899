package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// errTurnedAway is what a client sees that gets nothing but a reset.
var errTurnedAway = errors.New("turned away")

// from is the n-th address of a part of loopback.
func from(part byte, n uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{127, part, byte(n >> 8), byte(n)})
}

// enter connects from an address of this host.
func enter(v dataplane.VirtualService, as netip.Addr) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(as, 0))}
	c, err := d.Dial("tcp", v.ID.Addr.String())
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(6 * patience))
	return c.(*net.TCPConn), nil
}

// exchangeAs has n bytes echoed, after what greeting expects, which may be nil.
func exchangeAs(v dataplane.VirtualService, as netip.Addr, n int, greeting func(net.Conn) error) error {
	c, err := enter(v, as)
	if err != nil {
		return turned(err)
	}
	defer c.Close()
	sent := newStream(uint64(n) + uint64(c.LocalAddr().(*net.TCPAddr).Port)).take(n)
	_, err = c.Write(sent)
	err = errors.Join(err, c.CloseWrite())
	if greeting != nil && err == nil {
		err = greeting(c)
	}
	got, e := io.ReadAll(c)
	switch err = errors.Join(err, e); {
	case err == nil && bytes.Equal(got, sent):
		return nil
	case len(got) == 0 && err != nil:
		return turned(err)
	}
	return fmt.Errorf("of %d bytes %d came back, of which the first %d are wrong: %t (%w)",
		n, len(got), min(n, len(got)), !bytes.HasPrefix(sent, got), err)
}

// turned makes of a reset what it means to who has got nothing.
func turned(err error) error {
	for _, e := range []error{unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN} {
		if errors.Is(err, e) {
			return errTurnedAway
		}
	}
	return err
}

// wantExchange wants n bytes echoed.
func wantExchange(t testing.TB, what string, v dataplane.VirtualService, as netip.Addr, n int) {
	if err := exchangeAs(v, as, n, nil); err != nil {
		t.Errorf("%s at %v: %v", what, as, err)
	}
}

// wantNoExchange wants a client refused.
func wantNoExchange(t testing.TB, what string, v dataplane.VirtualService, as netip.Addr) {
	if err := exchangeAs(v, as, 100, nil); !errors.Is(err, errTurnedAway) {
		t.Errorf("%s at %v is not turned away: %v", what, as, err)
	}
}

// wantProxyHeader has n bytes echoed by real servers that first tell the addresses in
// the PROXY header.
func wantProxyHeader(t testing.TB, v dataplane.VirtualService, as netip.Addr, n int) {
	err := exchangeAs(v, as, n, func(c net.Conn) error {
		want := c.LocalAddr().String() + " to " + v.ID.Addr.String() + "\n"
		b := make([]byte, len(want))
		if m, err := io.ReadFull(c, b); string(b) != want {
			return fmt.Errorf("greeted as %q, not %q: %w", b[:m], want, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("a client by way of two services: %v", err)
	}
}

// wantPinned connects to a persistent service whose servers say who they are, more
// than once, and is with the same one each time if that is soon enough.
func wantPinned(t testing.TB, v dataplane.VirtualService, as netip.Addr) {
	var home byte
	began, b := time.Now(), make([]byte, 1)
	for i := range 3 {
		err := exchangeAs(v, as, 100, func(c net.Conn) error { _, err := io.ReadFull(c, b); return err })
		if err != nil {
			t.Errorf("a persistent client: %v", err)
			return
		}
		if i > 0 && b[0] != home && time.Since(began) < v.Persistent/2 {
			t.Errorf("a persistent client is at %c, and was at %c", b[0], home)
		}
		home = b[0]
	}
}

// giveUp comes, waits for a moment, and is gone.
func giveUp(v dataplane.VirtualService, as netip.Addr, after time.Duration) {
	c, err := enter(v, as)
	if err != nil {
		return
	}
	_, _ = c.Write([]byte("has anybody time for me?"))
	time.Sleep(after)
	_ = c.SetLinger(0)
	_ = c.Close()
}

// sendPieces answers in pieces that are too small to be taken for a stream.
func sendPieces(c *net.TCPConn) {
	var n int
	if _, err := fmt.Fscanln(c, &n); err != nil {
		return
	}
	for r := newAnswer(); n > 0; n -= 30 << 10 {
		if _, err := c.Write(r.take(min(n, 30<<10))); err != nil {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// wantPieces asks for n bytes, and has no time for them at first: more is on its
// way then than sockets hold.
func wantPieces(t testing.TB, v dataplane.VirtualService, as netip.Addr, n int) {
	c, err := enter(v, as)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprintln(c, n)
	time.Sleep(300 * time.Millisecond)
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, newAnswer().take(n)) {
		t.Errorf("of %d bytes %d came, all of them right: %t (%v)", n, len(got), bytes.HasPrefix(newAnswer().take(n), got), err)
	}
}

// echoUntilReset has bytes echoed by servers that may die. It returns 1 if that is
// what happened; up to then what came has to be right.
func echoUntilReset(t *testing.T, v dataplane.VirtualService, seed uint64) int64 {
	c, err := enter(v, from(1, seed))
	if err != nil {
		return 1 // turned away by the time that connecting was over
	}
	defer c.Close()
	sent := newStream(seed).take(30_000)
	_, _ = c.Write(sent)
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	if !bytes.HasPrefix(sent, got) {
		t.Errorf("an echo of %d bytes is wrong in the first %d", len(sent), len(got))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client of a real server that has died hangs after %d bytes", len(got))
	}
	if err == nil && len(got) == len(sent) {
		return 0
	}
	return 1
}

// resetInTheMiddle goes away with something on its way in both directions.
func resetInTheMiddle(t testing.TB, vip netip.AddrPort, seed uint64) {
	c := visitor(t, vip)
	if c == nil {
		return
	}
	_, _ = c.Write(newStream(seed).take(1000 + int(seed*7919%300_000)))
	_, _ = io.CopyN(io.Discard, c, 1000)
	_ = c.SetLinger(0)
	_ = c.Close()
}

// tryIt returns 1 for a client that is served, and 0 for one that is turned
// away. There is nothing in between.
func tryIt(t testing.TB, v dataplane.VirtualService, as netip.Addr) int64 {
	err := exchangeAs(v, as, 1000, nil)
	if err == nil {
		return 1
	}
	if !errors.Is(err, errTurnedAway) {
		t.Errorf("a client at %v, which may be turned away: %v", as, err)
	}
	return 0
}

// wantDatagrams sends n datagrams in a new flow and waits until they come back.
func wantDatagrams(t testing.TB, vip netip.AddrPort, n int) {
	c, err := net.Dial("udp", vip.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	f := testFlow{c, t, newStream(uint64(c.LocalAddr().(*net.UDPAddr).Port))}
	for range n {
		f.exchange()
	}
}

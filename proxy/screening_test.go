package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// dialFrom connects from an address of this host, and returns the connection if
// it reaches an echo server, nil if it is reset.
func dialFrom(t testing.TB, v dataplane.VirtualService, from string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", v.ID.Addr.String())
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		err = echoed(c)
	}
	switch {
	case err == nil:
		return c.(*net.TCPConn)
	case !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE):
		t.Errorf("connection ended with %v, want a reset", err)
	}
	return nil
}

// echoed reports what a byte that is sent comes to.
func echoed(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	_, err := io.WriteString(c, "?")
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	return err
}

func wantLetIn(t testing.TB, v dataplane.VirtualService, from string, want bool) *net.TCPConn {
	t.Helper()
	c := dialFrom(t, v, from)
	if (c != nil) != want {
		t.Errorf("a client from %s is let in: %t, want %t", from, c != nil, want)
	}
	return c
}

// wantAnswered asks an echo service over UDP, once and in vain or until there
// is an answer.
func wantAnswered(t testing.TB, d *proxy.Dataplane, c net.Conn, want bool) {
	t.Helper()
	turnedAway := func() uint64 {
		n := status(t, d).Counters
		return n.Denied + n.Throttled
	}
	before := turnedAway()
	_, _ = io.WriteString(c, "?")
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if !want {
		wait.Until(t, "the datagram is turned away", func() bool { return turnedAway() > before })
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	}
	if _, err := c.Read(make([]byte, 8)); (err == nil) != want {
		t.Errorf("a datagram from %s is answered: %v, want %t", c.LocalAddr(), err, want)
	}
}

func dialUDPFrom(t testing.TB, v dataplane.VirtualService, from string) net.Conn {
	t.Helper()
	c := get[*net.UDPConn](t)(net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(v.ID.Addr)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func echoUDP(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	addr, _ := udpServer(t, host, same)
	return addr
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// wantCounted compares what has been turned away, all of it at once: nobody is
// counted twice, nor as refused.
func wantCounted(t testing.TB, d *proxy.Dataplane, denied, throttled uint64) {
	t.Helper()
	if c := status(t, d).Counters; c.Denied != denied || c.Throttled != throttled || c.Refused != 0 {
		t.Errorf("denied %d, throttled %d, refused %d: want %d, %d and 0", c.Denied, c.Throttled, c.Refused, denied, throttled)
	}
}

func TestAllowAndDeny(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	v.Allow = []netip.Prefix{prefix("127.0.0.0/28"), prefix("127.0.0.99/32")}
	v.Deny = []netip.Prefix{prefix("127.0.0.4/30"), prefix("127.0.0.96/28")}
	apply(t, d, v)
	for from, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.3": true, "127.0.0.4": false, "127.0.0.7": false,
		"127.0.0.8": true, "127.0.0.99": true, "127.0.0.97": false, "127.0.1.1": false,
	} {
		wantLetIn(t, v, from, want)
	}
	wantCounted(t, d, 4, 0)
}

func TestAllowAndDenyIPv6(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, "::1"), tcpServer(t, "127.0.0.1", echo))
	v.Allow = []netip.Prefix{prefix("127.0.0.0/8")}
	apply(t, d, v)
	wantLetIn(t, v, "::1", false)
	v.Allow = append(v.Allow[:1:1], prefix("::/64"))
	apply(t, d, v)
	wantLetIn(t, v, "::1", true)
	v.Deny = []netip.Prefix{prefix("::1/128")}
	apply(t, d, v)
	wantLetIn(t, v, "::1", false)
	wantCounted(t, d, 2, 0)
}

func TestAllowAndDenyUDP(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.UDP, process.FreeAddr(t), echoUDP(t, "127.0.0.1"))
	v.Deny = []netip.Prefix{prefix("127.0.0.2/32")}
	apply(t, d, v)
	wantAnswered(t, d, dialUDPFrom(t, v, "127.0.0.1"), true)
	wantAnswered(t, d, dialUDPFrom(t, v, "127.0.0.2"), false)
	wantCounted(t, d, 1, 0)
}

// A reload says who may begin something. What there is goes on.
func TestScreenSparesTheExisting(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	c := wantLetIn(t, v, "127.0.0.1", true)
	v.Deny, v.SourceConns = []netip.Prefix{prefix("127.0.0.0/8")}, 1
	apply(t, d, v)
	if err := echoed(c); err != nil {
		t.Errorf("a connection from before the reload has ended: %v", err)
	}
	wantLetIn(t, v, "127.0.0.1", false)
	v.Deny, v.SourceConns = nil, 0
	apply(t, d, v)
	wantLetIn(t, v, "127.0.0.1", true)

	u := serviceAt(dataplane.UDP, process.FreeAddr(t), echoUDP(t, "127.0.0.1"))
	other := newPlane(t, proxy.Options{})
	apply(t, other, u)
	flow := dialUDPFrom(t, u, "127.0.0.1")
	wantAnswered(t, other, flow, true)
	u.Deny, u.SourceRate = []netip.Prefix{prefix("0.0.0.0/0")}, dataplane.Rate{Count: 1, Per: time.Hour}
	apply(t, other, u)
	wantAnswered(t, other, flow, true)
	wantAnswered(t, other, dialUDPFrom(t, u, "127.0.0.1"), false)
}

// While a long list is put in force again and again everybody is decided about
// by one of them, never by a part of one.
func TestListsChangeAtOnce(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	long := make([]netip.Prefix, 0, 20_000)
	for i := range cap(long) {
		long = append(long, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	lists := [2]dataplane.ClientLists{
		{Allow: append(slices.Clip(long), prefix("127.0.0.1/32"))},
		{Deny: append(slices.Clip(long), prefix("127.0.0.2/32"))},
	}
	v.ClientLists = lists[0]
	apply(t, d, v)
	var changing sync.WaitGroup
	defer changing.Wait()
	changing.Go(func() {
		w := v
		for i := range 20 {
			w.ClientLists = lists[i%2]
			if err := d.Apply(t.Context(), w); err != nil {
				t.Error(err)
			}
		}
	})
	for range 100 {
		wantLetIn(t, v, "127.0.0.1", true)
		wantLetIn(t, v, "127.0.0.2", false)
	}
}

func TestSourceConnections(t *testing.T) {
	for _, workers := range []int{1, 4} {
		d := newPlane(t, proxy.Options{Workers: workers})
		v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
		v.SourceConns = 3
		apply(t, d, v)
		var open []*net.TCPConn
		for range 3 {
			open = append(open, wantLetIn(t, v, "127.0.0.1", true))
		}
		wantLetIn(t, v, "127.0.0.1", false)
		wantLetIn(t, v, "127.0.0.2", true)
		wantCounted(t, d, 0, 1)
		v.SourceConns = 4 // those that there are count on
		apply(t, d, v)
		wantLetIn(t, v, "127.0.0.1", true)
		wantLetIn(t, v, "127.0.0.1", false)
		_ = open[0].Close()
		wait.Until(t, "the connection is over", func() bool { return active(t, d) == 4 })
		wantLetIn(t, v, "127.0.0.1", true)
		v.SourceConns, v.SourceBits4 = 1, 24
		apply(t, d, v)
		wantLetIn(t, v, "127.0.0.9", true)
		wantLetIn(t, v, "127.0.0.10", false)
	}
}

func TestSourceConnectionsUDP(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.UDP, process.FreeAddrAt(t, "::1"), echoUDP(t, "127.0.0.1"))
	v.SourceConns, v.IdleTimeout = 2, 500*time.Millisecond
	apply(t, d, v)
	first := dialUDPFrom(t, v, "::1")
	wantAnswered(t, d, first, true)
	wantAnswered(t, d, dialUDPFrom(t, v, "::1"), true)
	third := dialUDPFrom(t, v, "::1")
	wantAnswered(t, d, third, false)
	wantCounted(t, d, 0, 1)
	wait.Until(t, "flows are over", func() bool { return active(t, d) == 0 })
	wantAnswered(t, d, third, true)
}

func TestSourceRate(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 4})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	v.SourceRate = dataplane.Rate{Count: 5, Per: time.Hour}
	apply(t, d, v)
	for range 5 {
		_ = wantLetIn(t, v, "127.0.0.1", true).Close()
	}
	for range 3 {
		wantLetIn(t, v, "127.0.0.1", false)
	}
	wantLetIn(t, v, "127.0.0.2", true)
	wantCounted(t, d, 0, 3)
	v.SourceRate = dataplane.Rate{Count: 5, Per: 50 * time.Millisecond}
	apply(t, d, v)
	wait.Until(t, "another rate is in force", func() bool { return dialFrom(t, v, "127.0.0.1") != nil })
}

// Sources are those of one service: what one does elsewhere is not held
// against it.
func TestSourcesOfServices(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server := tcpServer(t, "127.0.0.1", echo)
	for range 2 {
		v := tcpService(t, server)
		v.SourceConns = 1
		apply(t, d, v)
		wantLetIn(t, v, "127.0.0.1", true)
		wantLetIn(t, v, "127.0.0.1", false)
	}
}

// A service that was removed and comes back counts anew, and connections from
// before, which go on, are not taken off that.
func TestSourcesOfRemovedService(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	v.SourceConns = 1
	apply(t, d, v)
	before := wantLetIn(t, v, "127.0.0.1", true)
	if err := d.Remove(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	apply(t, d, v)
	after := wantLetIn(t, v, "127.0.0.1", true)
	if err := echoed(before); err != nil {
		t.Errorf("a connection from before has ended: %v", err)
	}
	_ = before.Close()
	wait.Until(t, "the one from before is over", func() bool { return d.Load().Connections.Used == 1 })
	wantLetIn(t, v, "127.0.0.1", false)
	_ = after.Close()
	wait.Until(t, "all are over", func() bool { return d.Load().Connections.Used == 0 })
	wantLetIn(t, v, "127.0.0.1", true)
}

// Limits hold for who comes after them; what is carried is told with them.
func TestSetLimits(t *testing.T) {
	d := newPlane(t, proxy.Options{Limits: proxy.Limits{Connections: 2, Flows: 3, Buffers: 1 << 20}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	first := wantLetIn(t, v, "127.0.0.1", true)
	c := wantLetIn(t, v, "127.0.0.1", true)
	late := dial(t, v)
	wait.Until(t, "another one waits", func() bool { return status(t, d).Full })
	if l := d.Load(); l.Connections.Used != 2 || l.Connections.Limit != 2 || l.Connections.Refused == 0 || l.Flows.Limit != 3 || l.Buffers.Limit != 1<<20 || !l.Connections.Full() {
		t.Errorf("the load is %+v", l)
	}
	d.SetLimits(proxy.Limits{Connections: 1, Flows: 1})
	if err := echoed(c); err != nil {
		t.Errorf("a connection from before has ended: %v", err)
	}
	_ = c.Close()
	wait.Until(t, "it is over", func() bool { return d.Load().Connections.Used == 1 })
	if err := echoed(first); err != nil {
		t.Errorf("a connection from before has ended: %v", err)
	}
	// The place that was given back was offered to it and is none.
	wait.Until(t, "another one waits again", func() bool { return status(t, d).Full })
	d.SetLimits(proxy.Limits{})
	if err := echoed(late); err != nil {
		t.Errorf("who has waited: %v", err)
	}
	wantLetIn(t, v, "127.0.0.1", true)
}

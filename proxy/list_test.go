package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// listed returns the connections that d lists.
func listed(t testing.TB, d *proxy.Dataplane) (all []dataplane.Connection) {
	t.Helper()
	for c, err := range d.Connections(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// held is how many connections TestConnections holds: 10,000, or what the limit of open
// files has room for with four descriptors each.
func held(t *testing.T) int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	return int(min(10_000, (r.Cur-1000)/5))
}

// Each of thousands of connections is listed once, with both of its ends.
func TestConnections(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	if got := listed(t, d); len(got) != 0 {
		t.Errorf("without services: %v", got)
	}
	servers, clients, n := newSocketPool(t, false), newSocketPool(t, false), held(t)
	server := servers.listen()
	v := tcpService(t, server)
	v.IdleTimeout = time.Hour
	apply(t, d, v)
	clients.dial(v.ID.Addr, n)
	wait.Until(t, "all are connected", func() bool { return active(t, d) == n && servers.size() == n })
	missing := map[netip.AddrPort]bool{}
	for _, fd := range clients.fds {
		sa := get[unix.Sockaddr](t)(unix.Getsockname(fd)).(*unix.SockaddrInet4)
		missing[netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))] = true
	}
	for _, c := range listed(t, d) {
		if !missing[c.Client] || c.Protocol != "TCP" || c.Virtual != v.ID.Addr || c.Server != server || c.State != "ESTABLISHED" ||
			c.Expires < 30*time.Minute || c.Expires > time.Hour+time.Second {
			t.Fatalf("%+v is none of ours, or there twice", c)
		}
		delete(missing, c.Client)
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d are not listed", len(missing), n)
	}
	few := 0
	for _, err := range d.Connections(t.Context()) {
		if few++; err != nil || few == 3 {
			break
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Connections(over) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the caller has gone: %v", err)
		}
	}
	_ = d.Close()
	for _, err := range d.Connections(t.Context()) {
		if !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// The list says how far a connection is, whose it is by a trusted proxy, and where a
// client of a wildcard address has gone.
func TestConnectionStates(t *testing.T) {
	one := func(what string, d *proxy.Dataplane, is func(dataplane.Connection) bool) {
		t.Helper()
		wait.For(t, what+" is listed", func() ([]dataplane.Connection, bool) {
			all := listed(t, d)
			return all, slices.ContainsFunc(all, is)
		})
	}
	addr := func(c net.Conn) netip.AddrPort { return netip.MustParseAddrPort(c.LocalAddr().String()) }

	d := newPlane(t, proxy.Options{})
	v, holder := full(t, d, nil)
	waiting := waits(t, d, v)
	one("a client that waits", d, func(c dataplane.Connection) bool {
		return c.State == "WAITING" && c.Client == addr(waiting) && !c.Server.IsValid() && c.Expires > 0
	})
	if err := holder.CloseWrite(); err != nil {
		t.Fatal(err)
	}

	d = newPlane(t, proxy.Options{})
	hold := make(chan struct{})
	defer close(hold)
	v = tcpService(t, tcpServer(t, "127.0.0.1", func(*net.TCPConn) { <-hold }))
	apply(t, d, v)
	half := dial(t, v)
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	one("a client that has sent its end", d, func(c dataplane.Connection) bool { return c.State == "CLOSING" && c.Client == addr(half) })

	d, v = trusting(t, "127.0.0.1")
	slow := dial(t, v)
	one("a client whose header is missing", d, func(c dataplane.Connection) bool { return c.State == "HEADER" && c.Client == addr(slow) })
	send(t, slow, header(2, alice))
	one("alice", d, func(c dataplane.Connection) bool {
		return c.State == "ESTABLISHED" && c.Client == alice[0] && c.Virtual == v.ID.Addr
	})

	d = newPlane(t, proxy.Options{})
	v = tcpService(t, silent(t))
	apply(t, d, v)
	early := dial(t, v)
	one("a client on its way", d, func(c dataplane.Connection) bool {
		return c.State == "CONNECTING" && c.Client == addr(early) && c.Server == v.RealServers[0].Addr
	})

	d = newPlane(t, proxy.Options{})
	port := process.FreeAddr(t).Port()
	v = serviceAt(dataplane.TCP, netip.AddrPortFrom(netip.IPv4Unspecified(), port), tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), port)
	far := get[net.Conn](t)(net.Dial("tcp", to.String()))
	defer far.Close()
	one("a client of a wildcard", d, func(c dataplane.Connection) bool { return c.Client == addr(far) && c.Virtual == to })
}

// Flows are listed as connections are.
func TestFlowsAreListed(t *testing.T) {
	server, _ := udpServer(t, "127.0.0.1", same)
	d, v := newPlane(t, proxy.Options{}), udpService(t, server)
	v.IdleTimeout = time.Minute
	apply(t, d, v)
	want := map[netip.AddrPort]bool{}
	for range 300 {
		c := dialUDP(t, v)
		send(t, c, "x")
		_ = get[int](t)(io.ReadFull(c, make([]byte, 1)))
		want[netip.MustParseAddrPort(c.LocalAddr().String())] = true
	}
	for _, c := range listed(t, d) {
		if !want[c.Client] || c.Protocol != "UDP" || c.State != "UDP" || c.Virtual != v.ID.Addr || c.Server != server || c.Expires <= 0 || c.Expires > time.Minute+time.Second {
			t.Errorf("%+v is none of ours, or there twice", c)
		}
		delete(want, c.Client)
	}
	if len(want) > 0 {
		t.Errorf("%d flows are not listed", len(want))
	}
}

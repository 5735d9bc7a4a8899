package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A routedNetwork is a client and a real server with the director between them.
type routedNetwork struct{ client, director, server *netlab.Namespace }

func newRoutedNetwork(t *testing.T) routedNetwork {
	lab := netlab.Test(t)
	ns := get[*netlab.Namespace](t)
	l := routedNetwork{client: ns(lab.Namespace("client")), director: ns(lab.Here("director")), server: ns(lab.Namespace("server"))}
	must(t, lab.Connect(end(l.client, "eth0", "10.1.0.2/24"), end(l.director, "eth0", "10.1.0.1/24")))
	must(t, lab.Connect(end(l.server, "eth0", "10.2.0.2/24"), end(l.director, "eth1", "10.2.0.1/24")))
	return l
}

// vanish stops a namespace from answering at its address.
func vanish(t *testing.T, n *netlab.Namespace, prefix string) {
	t.Helper()
	must(t, n.DelAddr("eth0", netip.MustParsePrefix(prefix)))
}

// connected returns both ends of a connection through a director with these
// settings.
func (l routedNetwork) connected(t *testing.T, options dataplane.Options) (d *proxy.Dataplane, client, server net.Conn) {
	ln := get[net.Listener](t)(l.server.Listen("tcp", "10.2.0.2:80"))
	t.Cleanup(func() { _ = ln.Close() })
	v := serviceAt(dataplane.TCP, mustAddr("10.1.0.1:80"), mustAddr("10.2.0.2:80"))
	v.Options = options
	d = newPlane(t, proxy.Options{})
	apply(t, d, v)
	client = get[net.Conn](t)(l.client.Dial(t.Context(), "tcp", "10.1.0.1:80"))
	t.Cleanup(func() { _ = client.Close() })
	server = get[net.Conn](t)(ln.Accept())
	t.Cleanup(func() { _ = server.Close() })
	for _, c := range []net.Conn{client, server} {
		_ = c.SetDeadline(time.Now().Add(6 * patience))
	}
	_, _ = client.Write([]byte("x"))
	_ = get[int](t)(io.ReadFull(server, make([]byte, 1)))
	return d, client, server
}

// gone waits until c is reset, and the books are closed.
func gone(t *testing.T, d *proxy.Dataplane, c net.Conn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("who is left got %v, want a reset", err)
	}
	wait.Until(t, "the books are closed", func() bool { return active(t, d) == 0 })
}

// With keepalives a silent connection ends when one of its sides is gone.
func TestKeepAliveFindsClientGone(t *testing.T) {
	t.Parallel() // it waits for the kernel
	if !netlab.Inside(t) {
		return
	}
	l := newRoutedNetwork(t)
	d, _, server := l.connected(t, dataplane.Options{KeepAlive: time.Second})
	vanish(t, l.client, "10.1.0.2/24")
	gone(t, d, server)
}

func TestKeepAliveFindsServerGone(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	l := newRoutedNetwork(t)
	d, client, _ := l.connected(t, dataplane.Options{KeepAlive: time.Second})
	vanish(t, l.server, "10.2.0.2/24")
	gone(t, d, client)
}

// With a user timeout a connection ends when what was sent arrives nowhere.
func TestUserTimeoutFindsServerGone(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	l := newRoutedNetwork(t)
	d, client, _ := l.connected(t, dataplane.Options{UserTimeout: time.Second})
	vanish(t, l.server, "10.2.0.2/24")
	_, _ = client.Write([]byte("is anybody there?"))
	gone(t, d, client)
}
